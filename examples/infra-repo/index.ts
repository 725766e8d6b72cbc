import * as pulumi from "@pulumi/pulumi";
import { Image, type NetworkPolicy, Sandbox, Snapshot } from "pulumi-opencomputer";

const config = new pulumi.Config();
const stage = pulumi.getStack();

const image = withPackages(Image.base())
  .addLocalDir("./agent", "/workspace/agent")
  .env({ STAGE: stage })
  .workdir("/workspace")
  // An image whose agent does not even start never becomes a snapshot.
  .runCommands("python3 agent/main.py --check");

const about = { app: "research-agent", stage };

const snapshot = new Snapshot("agent", {
  name: `research-agent-${stage}`,
  image,
  labels: about,
  retention: { keepLast: config.requireNumber("keepVersions") },
});

const sandbox = new Sandbox("agent", {
  // The reference follows the content: a new version of the snapshot gets a new sandbox.
  snapshot: snapshot.ref,
  envs: { AGENT_TOKEN: config.requireSecret("agentToken") },
  tags: about,
  timeout: config.requireNumber("idleSeconds"),
  memoryMB: config.requireNumber("memoryMB"),
  network: toNetwork(config.requireObject<string[]>("reaches")),
  readyCheck: { command: "python3 agent/main.py --check" },
});

export const snapshotName = snapshot.name;
export const contentHash = snapshot.contentHash;
export const sandboxId = sandbox.sandboxId;

/** Nothing but the hosts that the stack names. */
function toNetwork(hosts: string[]): NetworkPolicy {
  return hosts.length === 0 ? "none" : { allow: hosts };
}

/** A step without packages is no step: lists that a stack leaves empty are left out. */
function withPackages(base: Image): Image {
  const apt = config.requireObject<string[]>("aptPackages");
  const pip = config.requireObject<string[]>("pipPackages");
  const withApt = apt.length === 0 ? base : base.aptInstall(apt);
  return pip.length === 0 ? withApt : withApt.pipInstall(pip);
}
