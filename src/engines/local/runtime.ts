import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import {
  type AgentChannel,
  endAbandonedStarts,
  makeAgentPipes,
  ON_PIPES,
  openAgentPipes,
  removeAgentPipes,
  socketChannel,
} from "./agent-channel";
import type { RuntimeBinary } from "./binaries";
import { runCommand } from "./command";
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
  /** Makes another channel to the agent of a container that runs; runc starts one with `argv` for that. */
  connect(id: string, argv: readonly string[]): Promise<AgentChannel>;
  /** Like {@link run}, but goes on from the memory image in `image`. runsc only. */
  restore(id: string, bundle: string, image: string): Promise<StartedContainer>;
  /** Stops all processes of a container until {@link resume}. runsc only; for others see {@link createFreezer}. */
  pause(id: string): Promise<void>;
  /** What is not paused is fine. @throws internal where it stays paused */
  resume(id: string): Promise<void>;
  /**
   * Writes memory and processes of a container into the directory `image`, and what it still holds back into its files.
   * The container stays as it was, running or paused. runsc only.
   */
  saveMemory(id: string, image: string, signal: AbortSignal): Promise<void>;
  /** Ends a container in whatever state it is, sooner where its processes have ended; one that is gone is fine. */
  remove(id: string, hasEnded: boolean): Promise<void>;
  /** Ends what an earlier server was about to start; only while nothing is started. */
  endAbandonedStarts(): Promise<void>;
  /** Ids of all containers that the runtime knows in this home. */
  list(): Promise<string[]>;
}

/** A container that has just been started. */
export interface StartedContainer {
  /** The host's id of its first process. */
  readonly pid: number;
  readonly agent: AgentChannel;
}

const MAX_MESSAGE = 2_000;
const START_LIMIT_SECONDS = 60;
const CONNECT_LIMIT_SECONDS = 30;
const REMOVE_LIMIT_SECONDS = 30;
const QUICK_LIMIT_SECONDS = 30;
const NOWHERE = "/dev/null";
const SAVE_TIMEOUT_MS = 600_000;

/** A runtime whose state is in `stateDir`, apart from that of all others on the machine. */
export function createRuntime(binary: RuntimeBinary, stateDir: string, hand: Hand): Runtime {
  const { kind, path, version } = binary;
  const flags = [...globalFlags(kind), "--root", join(stateDir, kind)];
  const pipesOf = (id: string) => join(stateDir, `${id}.agent`);
  const onPipes = (id: string, bundle: string, verb: readonly string[], isUsed: boolean) =>
    startOnPipes(hand, pipesOf(id), [path, ...flags, ...verb, ...detached(id, bundle)], { id, bundle, isUsed });
  return {
    kind,
    path,
    version,
    run(id, bundle) {
      if (kind === "runsc") return onPipes(id, bundle, ["run"], false);
      return startConnected(hand, [path, ...flags, "run", NO_KEYRING, ...HAND_OVER], id, bundle);
    },
    // What is not needed at once is read when it is.
    restore: (id, bundle, image) => onPipes(id, bundle, ["restore", "--background", "--image-path", image], true),
    async connect(id, argv) {
      if (kind === "runsc") return openAgentPipes(pipesOf(id)).toChannel(true);
      return connectInside(hand, join(stateDir, `${id}.log`), [path, ...flags, "exec", ...HAND_OVER, id, ...argv]);
    },
    async pause(id) {
      await runQuick(hand, join(stateDir, `${id}.log`), [path, ...flags, "pause", id]);
    },
    async resume(id) {
      const resumed = runQuick(hand, join(stateDir, `${id}.log`), [path, ...flags, "resume", id]);
      await resumed.catch(async (error: unknown) => {
        if (/"status": *"paused"/.test(await runCommand(path, [...flags, "state", id]))) throw error;
      });
    },
    async saveMemory(id, image, signal) {
      const argv = ["checkpoint", "--leave-running", "--exclude-committed-zero-pages", "--image-path", image, id];
      await runCommand(path, [...flags, ...argv], { timeoutMs: SAVE_TIMEOUT_MS, signal });
    },
    async remove(id, hasEnded) {
      const options = { log: NOWHERE, limitSeconds: REMOVE_LIMIT_SECONDS };
      const remove = (...force: string[]) => hand.run([path, ...flags, "delete", ...force, id], options);
      // With --force, runc kills first what has ended already, and waits a tenth of a second to see the end of it.
      if (!hasEnded || (await remove()).result !== 0) await remove("--force");
      if (kind === "runsc") await removeAgentPipes(pipesOf(id));
    },
    endAbandonedStarts: () => endAbandonedStarts(stateDir),
    async list() {
      // A newer runc does not list a place that is not there.
      await mkdir(join(stateDir, kind), { recursive: true, mode: 0o700 });
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

/**
 * The kernel gives a user 200 keys, and to it all sandboxes are one user's: so none has a keyring of its own. They share the
 * hand's empty one, and may not ask for keys.
 */
const NO_KEYRING = "--no-new-keyring";

/** Makes runc hand our descriptor 3 on by the same number, and no other. */
const HAND_OVER = ["--preserve-fds", "1"];

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
  if (socket) return { pid, agent: socketChannel(socket) };
  throw new OpenComputerError("internal", `container ${id} started without a connection`);
}

/** gVisor hands its own stdin and stdout to PID 1, at a start as at a restore. */
async function startOnPipes(
  hand: Hand,
  pipes: string,
  argv: readonly string[],
  { id, bundle, isUsed }: { readonly id: string; readonly bundle: string; readonly isUsed: boolean },
): Promise<StartedContainer> {
  await makeAgentPipes(hand, pipes);
  const ours = openAgentPipes(pipes);
  try {
    const started = await hand.run(["/bin/sh", "-c", ON_PIPES, pipes, ...argv], startOptions(bundle));
    return { pid: await pidOf(id, bundle, started), agent: ours.toChannel(isUsed) };
  } catch (error) {
    ours.close();
    throw error;
  }
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

async function connectInside(hand: Hand, log: string, argv: readonly string[]): Promise<AgentChannel> {
  try {
    const { socket, result } = await hand.runConnected(argv, { log, limitSeconds: CONNECT_LIMIT_SECONDS });
    if (socket) return socketChannel(socket);
    const why = (await lastWords(log)) || `exit code ${result}`;
    throw new OpenComputerError("internal", `cannot reach the inside of a container: ${why}`);
  } finally {
    await rm(log, { force: true });
  }
}

/** @throws internal with the runtime's last words */
async function runQuick(hand: Hand, log: string, argv: readonly string[]): Promise<void> {
  try {
    const { result } = await hand.run(argv, { log, limitSeconds: QUICK_LIMIT_SECONDS });
    if (result === 0) return;
    const why = (await lastWords(log)) || `exit code ${result}`;
    throw new OpenComputerError("internal", `${argv.slice(-2).join(" ")} failed: ${why}`);
  } finally {
    await rm(log, { force: true });
  }
}

async function lastWords(log: string): Promise<string> {
  return (await readFile(log, "utf8")).trim().slice(-MAX_MESSAGE);
}
