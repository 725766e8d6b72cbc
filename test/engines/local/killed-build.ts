import { homedir } from "node:os";
import { Readable } from "node:stream";
import { createLocalEngine } from "../../../src/engines/local/local-engine";
import { cacheHome } from "../../../src/paths";

/** A server that is killed in the middle of a build: starts one, says so, and waits for its end. */
async function main(home: string, runtime: "runc" | "runsc"): Promise<void> {
  const source = process.env["OPENCOMPUTER_BASE"];
  const base = source ? { base: source } : {};
  const { signal } = new AbortController();
  const engine = createLocalEngine({
    home,
    cacheDir: cacheHome({ env: process.env, uid: 0, homeDir: homedir() }),
    runtime,
    hostEnv: process.env,
    ...base,
  });
  await engine.start({ knownSandboxes: process.argv.slice(4), onProgress: () => undefined, signal });
  await engine.build({
    manifest: { base: "base", steps: [{ type: "run", args: { commands: ["echo $((40 + 2)) and on; sleep 600"] } }] },
    scope: "killed",
    openBlob: async () => ({ sizeBytes: 0, stream: Readable.from([]) }),
    onLog: ({ message }) => console.log(message),
    stepTimeoutMs: 60_000,
    signal,
  });
}

void main(process.argv[2] ?? "", process.argv[3] === "runsc" ? "runsc" : "runc");
