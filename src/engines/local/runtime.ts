import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { RuntimeBinary } from "./binaries";
import { COMMAND_ENV, runCommand, tryCommand } from "./command";
import type { RuntimeKind } from "./oci-spec";

/** The OCI runtime of the machine, as the few verbs that the engine needs. */
export interface Runtime {
  readonly kind: RuntimeKind;
  readonly path: string;
  readonly version: string;
  /**
   * Creates a container from `<bundle>/config.json` and starts it. Not to be aborted: a runtime that is killed on the way
   * leaves processes that nobody knows of.
   */
  run(id: string, bundle: string): Promise<StartedContainer>;
  /** Starts a program beside the others in a container that runs, with a socket of ours as its descriptor 3. */
  connect(id: string, argv: readonly string[]): Promise<Socket>;
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
}

/** A container that has just been started. */
export interface StartedContainer {
  /** The host's id of its first process. */
  readonly pid: number;
  /** Leads to descriptor 3 of that process. */
  readonly agent: Socket;
}

const AGENT_FD = 3;
const MAX_MESSAGE = 2_000;
const START_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 30_000;
const SAVE_TIMEOUT_MS = 600_000;

/** A runtime whose state is in `stateDir`, apart from that of all others on the machine. */
export function createRuntime(binary: RuntimeBinary, stateDir: string): Runtime {
  const { kind, path, version } = binary;
  const flags = [...globalFlags(kind), "--root", join(stateDir, kind)];
  return {
    kind,
    path,
    version,
    async run(id, bundle) {
      const { pid, child } = await runDetached(path, [...flags, "run", ...handOver(kind)], id, bundle);
      return { pid, agent: child.stdio[AGENT_FD] as Socket };
    },
    // What is not needed at once is read when it is.
    async restore(id, bundle, image) {
      const argv = [...flags, "restore", "--background", "--image-path", image];
      const { pid, child } = await runDetached(path, argv, id, bundle);
      (child.stdio[AGENT_FD] as Socket).destroy();
      return pid;
    },
    connect: (id, argv) => connectInside(path, [...flags, "exec", ...handOver(kind), id, ...argv]),
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

/** Hands our descriptor {@link AGENT_FD} on by the same number, and no other. */
function handOver(kind: RuntimeKind): string[] {
  return kind === "runsc" ? ["--pass-fd", `${AGENT_FD}:${AGENT_FD}`] : ["--preserve-fds", "1"];
}

/**
 * The container inherits the streams of this command and keeps them open: so these must be a file, not pipes, on which
 * we would wait for ever. (And so it is spawned as it is: execa knows no file descriptors for these.)
 */
async function runDetached(
  path: string,
  verb: readonly string[],
  id: string,
  bundle: string,
): Promise<{ pid: number; child: ChildProcess }> {
  const pidFile = join(bundle, "pid");
  const log = join(bundle, "start.log");
  const output = await open(log, "w", 0o600);
  try {
    const argv = [...verb, "--detach", "--bundle", bundle, "--pid-file", pidFile, id];
    const child = spawn(path, argv, { stdio: ["ignore", output.fd, output.fd, "pipe"], env: COMMAND_ENV });
    if ((await exitCode(child, START_TIMEOUT_MS)) === 0) {
      return { pid: Number.parseInt(await readFile(pidFile, "utf8"), 10), child };
    }
    child.stdio[AGENT_FD]?.destroy();
    const said = (await readFile(log, "utf8")).trim().slice(-MAX_MESSAGE);
    throw new OpenComputerError("internal", `cannot start container ${id}: ${said || "the runtime was killed"}`);
  } finally {
    await output.close();
    await rm(pidFile, { force: true });
  }
}

async function connectInside(path: string, argv: readonly string[]): Promise<Socket> {
  const child = spawn(path, argv, { stdio: ["ignore", "ignore", "pipe", "pipe"], env: COMMAND_ENV });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-MAX_MESSAGE);
  });
  const code = await exitCode(child, CONNECT_TIMEOUT_MS);
  child.stderr?.destroy();
  const socket = child.stdio[AGENT_FD] as Socket;
  if (code === 0) return socket;
  socket.destroy();
  throw new OpenComputerError("internal", `cannot reach the inside of a container: ${said.trim() || `exit code ${code}`}`);
}

/** Null where it had to be killed: a last resort, because what it does takes a tenth of a second. */
async function exitCode(child: ChildProcess, limitMs: number): Promise<number | null> {
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const [code] = await once(child, "exit").finally(() => clearTimeout(timer));
  return code;
}
