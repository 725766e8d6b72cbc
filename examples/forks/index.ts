import { Config } from "@pulumi/pulumi";
import { Checkpoint, Image, Sandbox, Snapshot } from "pulumi-opencomputer";

const config = new Config();
const tasks = config.getObject<string[]>("tasks") ?? ["draft", "review"];

// The service runs from a sandbox's first moment on.
const image = Image.base()
  .addLocalDir("./service", "/workspace/service")
  .workdir("/workspace")
  .startCommand("python3 service/notes.py", { readyCommand: "python3 service/ask.py" });
const snapshot = new Snapshot("notes", { image });

// One sandbox is prepared: what takes long is done once. Another fact is another sandbox: a readyCheck alone changes in place.
const prepared = new Sandbox("prepared", {
  snapshot: snapshot.name,
  envs: { FACT: "otters hold hands" },
  readyCheck: { command: 'python3 service/ask.py "$FACT"', timeoutSeconds: 60 },
});
const checkpoint = new Checkpoint("prepared", {
  sandbox: prepared.id,
  // "full" keeps memory and processes, too; it needs gVisor on the server.
  kind: config.get("kind") === "full" ? "full" : "disk_only",
  triggers: [snapshot.contentHash],
});

// All others start from there, each with a task of its own.
const forks = tasks.map((task) => new Sandbox(task, { checkpoint: checkpoint.id, envs: { TASK: task } }));

export const checkpointId = checkpoint.checkpointId;
export const sandboxIds = forks.map((fork) => fork.sandboxId);
