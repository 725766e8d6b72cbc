import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { RuntimeBinary } from "./binaries";
import { COMMAND_ENV, runCommand, tryCommand } from "./command";
import type { RuntimeKind } from "./oci-spec";

/** The OCI runtime of the machine, as the few verbs that the engine needs. */
export interface Runtime {
  readonly kind: RuntimeKind;
  readonly path: string;
  /**
   * Creates a container from `<bundle>/config.json`, starts it, and returns the host's id of its first process. Not to be
   * aborted: a runtime that is killed on the way leaves processes that nobody knows of.
   */
  run(id: string, bundle: string): Promise<number>;
  /** Like {@link run}, but goes on from the memory image in `image`. runsc only. */
  restore(id: string, bundle: string, image: string): Promise<number>;
  /** Stops all processes of a container until {@link resume}. runsc only; for others see {@link createFreezer}. */
  pause(id: string): Promise<void>;
  /** What is not paused is fine. */
  resume(id: string): Promise<void>;
  /**
   * Writes memory and processes of a container into the directory `image`, and what it still holds back into its files.
   * The container stays as it was, running or paused. runsc only.
   */
  saveMemory(id: string, image: string, signal: AbortSignal): Promise<void>;
  /** Ends a container in whatever state it is; one that is gone is fine. */
  remove(id: string): Promise<void>;
  /** Ids of all containers that the runtime knows in this home. */
  list(): Promise<string[]>;
  /** Arguments that run the process described in `file` inside, with file descriptors 3, 4 and 5 handed through. */
  execArgs(id: string, file: string, pidFile: string): string[];
  /** Sends a signal to a process group, named as seen inside. Only for runsc, whose processes the host cannot see. */
  signalGroup(id: string, group: number, signal: number): Promise<void>;
}

const RUNSC_HAND_OVER = [3, 4, 5].flatMap((fd) => ["--pass-fd", `${fd}:${fd}`]);
const START_TIMEOUT_MS = 60_000;
const SAVE_TIMEOUT_MS = 600_000;

/** A runtime whose state is in `stateDir`, apart from that of all others on the machine. */
export function createRuntime(binary: RuntimeBinary, stateDir: string): Runtime {
  const { kind, path } = binary;
  const flags = [...globalFlags(kind), "--root", join(stateDir, kind)];
  return {
    kind,
    path,
    run: (id, bundle) => runDetached({ path, flags }, ["run"], id, bundle),
    // What is not needed at once is read when it is.
    restore: (id, bundle, image) =>
      runDetached({ path, flags }, ["restore", "--background", "--image-path", image], id, bundle),
    async pause(id) {
      await runCommand(path, [...flags, "pause", id]);
    },
    async resume(id) {
      await tryCommand(path, [...flags, "resume", id]);
    },
    async saveMemory(id, image, signal) {
      const argv = ["checkpoint", "--leave-running", "--exclude-committed-zero-pages", "--image-path", image, id];
      await runCommand(path, [...flags, ...argv], { timeoutMs: SAVE_TIMEOUT_MS, signal });
    },
    async remove(id) {
      await tryCommand(path, [...flags, "delete", "--force", id]);
    },
    async list() {
      const text = await runCommand(path, [...flags, "list", "--quiet"]);
      return text.split("\n").filter(Boolean);
    },
    execArgs(id, file, pidFile) {
      const handOver = kind === "runsc" ? RUNSC_HAND_OVER : ["--preserve-fds", "3"];
      return [...flags, "exec", ...handOver, "--pid-file", pidFile, "--process", file, id];
    },
    async signalGroup(id, group, signal) {
      await tryCommand(path, [...flags, "kill", "--pgid", String(group), id, String(signal)]);
    },
  };
}

/**
 * runsc: writes go through to our upper directory, because that becomes the layer; setuid programs work, because sudo is
 * one; the network is its own stack on the interface that it finds in the namespace.
 */
function globalFlags(kind: RuntimeKind): string[] {
  if (kind !== "runsc") return [];
  return ["--overlay2=none", "--platform=systrap", "--allow-suid", "--network=sandbox"];
}

/**
 * The container inherits the streams of this command and keeps them open: so these must be a file, not pipes, on which
 * we would wait for ever. (And so it is spawned as it is: execa knows no file descriptors for these.)
 */
async function runDetached(
  { path, flags }: { path: string; flags: readonly string[] },
  verb: readonly string[],
  id: string,
  bundle: string,
): Promise<number> {
  const pidFile = join(bundle, "pid");
  const log = join(bundle, "start.log");
  const output = await open(log, "w", 0o600);
  try {
    const argv = [...flags, ...verb, "--detach", "--bundle", bundle, "--pid-file", pidFile, id];
    const child = spawn(path, argv, { stdio: ["ignore", output.fd, output.fd], env: COMMAND_ENV });
    // A kill of last resort: a start takes a tenth of a second.
    const timer = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);
    const [code] = await once(child, "exit").finally(() => clearTimeout(timer));
    if (code === 0) return Number.parseInt(await readFile(pidFile, "utf8"), 10);
    const said = (await readFile(log, "utf8")).trim().slice(-2000);
    throw new OpenComputerError("internal", `cannot start container ${id}: ${said || `exit code ${code}`}`);
  } finally {
    await output.close();
    await rm(pidFile, { force: true });
  }
}
