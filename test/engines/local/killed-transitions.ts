import { homedir } from "node:os";
import { Readable } from "node:stream";
import { createLocalEngine } from "../../../src/engines/local/local-engine";
import { cacheHome } from "../../../src/paths";

/**
 * A server of its own that takes one sandbox through checkpoints, sleep and waking, again and again, until it is killed.
 * Says each checkpoint that it was given, as JSON, and the number that the sandbox's file held then.
 */
const [, , home = "", runtime = "runc", id = ""] = process.argv;
const signal = new AbortController().signal;

async function main(): Promise<void> {
  const cacheDir = cacheHome({ env: process.env, uid: 0, homeDir: homedir() });
  const engine = createLocalEngine({
    home,
    cacheDir,
    runtime: runtime === "runsc" ? "runsc" : "runc",
    hostEnv: process.env,
    ...(process.env["OPENCOMPUTER_BASE"] ? { base: process.env["OPENCOMPUTER_BASE"] } : {}),
  });
  await engine.start({ knownSandboxes: [id], onProgress: () => undefined, signal });
  const checkpoint = { layers: [engine.describe().baseDigest], env: {}, workdir: null };
  const spec = { id, checkpoint, memoryMB: 512, cpuCount: 1 };
  const keep = async (number: number, kind: "disk_only" | "full") => {
    const taken = await engine.checkpoint(id, kind, signal);
    console.log(JSON.stringify({ number, checkpoint: taken.checkpoint }));
  };
  const kinds = engine.describe().checkpointKinds;
  console.log("ready");
  for (let number = Number(process.argv[5]); ; number++) {
    await engine.wake(spec, signal);
    await engine.writeFile(id, "/tmp/number", Readable.from([Buffer.from(String(number))]), signal);
    for (const kind of kinds) await keep(number, kind);
    await engine.hibernate(id, signal);
    for (const kind of kinds) await keep(number, kind);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
