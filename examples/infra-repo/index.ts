import * as pulumi from "@pulumi/pulumi";
import { Image, Sandbox, Snapshot } from "pulumi-opencomputer";

const config = new pulumi.Config();
const stage = pulumi.getStack();

const image = withPackages(Image.base())
  .addLocalDir("./agent", "/workspace/agent")
  .env({ STAGE: stage })
  .workdir("/workspace")
  // An image whose agent does not even start never becomes a snapshot.
  .runCommands("python3 agent/main.py --check");

const snapshot = new Snapshot("agent", { name: `research-agent-${stage}`, image });

const sandbox = new Sandbox("agent", {
  snapshot: snapshot.name,
  envs: { AGENT_TOKEN: config.requireSecret("agentToken") },
  metadata: { app: "research-agent", stage },
  timeout: config.requireNumber("idleSeconds"),
  memoryMB: config.requireNumber("memoryMB"),
});

export const snapshotName = snapshot.name;
export const contentHash = snapshot.contentHash;
export const sandboxId = sandbox.sandboxId;

/** A step without packages is no step: lists that a stack leaves empty are left out. */
function withPackages(base: Image): Image {
  const apt = config.requireObject<string[]>("aptPackages");
  const pip = config.requireObject<string[]>("pipPackages");
  const withApt = apt.length === 0 ? base : base.aptInstall(apt);
  return pip.length === 0 ? withApt : withApt.pipInstall(pip);
}
