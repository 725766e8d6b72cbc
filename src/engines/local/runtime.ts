import { readFile, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { RuntimeBinary } from "./binaries";
import { runCommand, tryCommand } from "./command";
import type { Hand, HandAnswer } from "./hand";
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
const START_LIMIT_SECONDS = 60;
const CONNECT_LIMIT_SECONDS = 30;
const REMOVE_LIMIT_SECONDS = 30;
const NOWHERE = "/dev/null";
const SAVE_TIMEOUT_MS = 600_000;

/** A runtime whose state is in `stateDir`, apart from that of all others on the machine. */
export function createRuntime(binary: RuntimeBinary, stateDir: string, hand: Hand): Runtime {
  const { kind, path, version } = binary;
  const flags = [...globalFlags(kind), "--root", join(stateDir, kind)];
  return {
    kind,
    path,
    version,
    run: (id, bundle) => startConnected(hand, [path, ...flags, "run", ...handOver(kind)], id, bundle),
    // What is not needed at once is read when it is.
    async restore(id, bundle, image) {
      const argv = [path, ...flags, "restore", "--background", "--image-path", image, ...detached(id, bundle)];
      return pidOf(id, bundle, await hand.run(argv, startOptions(bundle)));
    },
    connect: (id, argv) =>
      connectInside(hand, join(stateDir, `${id}.log`), [path, ...flags, "exec", ...handOver(kind), id, ...argv]),
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
      const options = { log: NOWHERE, limitSeconds: REMOVE_LIMIT_SECONDS };
      await hand.run([path, ...flags, "delete", "--force", id], options);
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

/** The container inherits the output and keeps it open: so that must be a file, not a pipe that somebody reads to its end. */
function startOptions(bundle: string) {
  return { log: join(bundle, "start.log"), limitSeconds: START_LIMIT_SECONDS };
}

function detached(id: string, bundle: string): string[] {
  return ["--detach", "--bundle", bundle, "--pid-file", join(bundle, "pid"), id];
}

async function startConnected(
  hand: Hand,
  argv: readonly string[],
  id: string,
  bundle: string,
): Promise<StartedContainer> {
  const { socket, ...ended } = await hand.runConnected([...argv, ...detached(id, bundle)], startOptions(bundle));
  const pid = await pidOf(id, bundle, ended);
  if (socket) return { pid, agent: socket };
  throw new OpenComputerError("internal", `container ${id} started without a connection`);
}

/** What a start that is over gave. @throws internal with the runtime's last words */
async function pidOf(id: string, bundle: string, { result }: HandAnswer): Promise<number> {
  const pidFile = join(bundle, "pid");
  try {
    if (result === 0) return Number.parseInt(await readFile(pidFile, "utf8"), 10);
    const said = await lastWords(startOptions(bundle).log);
    throw new OpenComputerError("internal", `cannot start container ${id}: ${said || `exit code ${result}`}`);
  } finally {
    await rm(pidFile, { force: true });
  }
}

async function connectInside(hand: Hand, log: string, argv: readonly string[]): Promise<Socket> {
  try {
    const { socket, result } = await hand.runConnected(argv, { log, limitSeconds: CONNECT_LIMIT_SECONDS });
    if (socket) return socket;
    const why = (await lastWords(log)) || `exit code ${result}`;
    throw new OpenComputerError("internal", `cannot reach the inside of a container: ${why}`);
  } finally {
    await rm(log, { force: true });
  }
}

async function lastWords(log: string): Promise<string> {
  return (await readFile(log, "utf8")).trim().slice(-MAX_MESSAGE);
}
