import { Image, Sandbox, Snapshot } from "pulumi-opencomputer";

const image = Image.base()
  .aptInstall(["ripgrep"])
  .pipInstall(["tabulate==0.9.0"])
  .addLocalDir("./agent", "/workspace/agent")
  .env({ STAGE: "dev" })
  .workdir("/workspace");

const snapshot = new Snapshot("agent", { image });
const sandbox = new Sandbox("agent", { snapshot: snapshot.name, timeout: 3600 });

export const snapshotName = snapshot.name;
export const contentHash = snapshot.contentHash;
export const sandboxId = sandbox.sandboxId;
/** What `npm start` runs in the sandbox. */
export const command = "python3 agent/report.py agent/notes";
