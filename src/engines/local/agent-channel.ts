import { closeSync, constants, openSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { dirname } from "node:path";
import type { Hand } from "./hand";
import { endProcess, processStart } from "./process-identity";

/** What leads to an agent: two streams of bytes, which may be the two directions of one socket. */
export interface AgentChannel {
  readonly from: Socket;
  readonly to: Socket;
  /** Whether others may have spoken on it before us: then what comes first is not for us. */
  readonly isUsed: boolean;
}

/** A channel that nobody used before. */
export function socketChannel(socket: Socket): AgentChannel {
  return { from: socket, to: socket, isUsed: false };
}

const MAKE_LIMIT_SECONDS = 10;
const FROM = (base: string) => `${base}.out`;
const TO = (base: string) => `${base}.in`;

/**
 * Runs a program on a pair of named pipes, `<base>.in` as its stdin and `<base>.out` as its stdout. Arguments: the base,
 * then the program and its own.
 */
export const ON_PIPES = 'exec "$@" <"$0.in" >"$0.out"';

/**
 * Makes the pipes of a new container. Named ones, because another server has to find them; pipes, because gVisor cannot
 * restore a container that holds a socket of the host.
 */
export async function makeAgentPipes(hand: Hand, base: string): Promise<void> {
  await removeAgentPipes(base);
  const argv = ["/bin/sh", "-c", 'exec mkfifo -m 600 "$0.in" "$0.out"', base];
  await hand.run(argv, { log: "/dev/null", limitSeconds: MAKE_LIMIT_SECONDS });
}

/** Ends programs that wait at pipes in a directory for a server that died before it met them. */
export async function endAbandonedStarts(dir: string): Promise<void> {
  const pids = (await readdir("/proc")).map(Number).filter(Number.isInteger);
  await Promise.all(pids.map((pid) => endWaiting(pid, dir)));
}

/** Once both pipes are open it is the program itself, which is not to be ended on its way. */
async function endWaiting(pid: number, dir: string): Promise<void> {
  const [, , script, base] = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  if (script !== ON_PIPES || !base || dirname(base) !== dir) return;
  const start = await processStart(pid);
  if (start !== null) await endProcess({ pid, start });
}

/** Our ends of a pair of pipes. */
export interface OpenedPipes {
  /** Only once the agent holds its ends: before that, a reader would find nobody there. */
  toChannel(isUsed: boolean): AgentChannel;
  close(): void;
}

/** Opens our ends; the one that we write to also for reading, so that it opens at once, whoever is at the other. */
export function openAgentPipes(base: string): OpenedPipes {
  const { O_RDWR, O_RDONLY, O_NONBLOCK } = constants;
  const to = openSync(TO(base), O_RDWR | O_NONBLOCK);
  const from = openSync(FROM(base), O_RDONLY | O_NONBLOCK);
  return {
    toChannel: (isUsed) => ({
      from: new Socket({ fd: from, readable: true, writable: false }),
      to: new Socket({ fd: to, readable: false, writable: true }),
      isUsed,
    }),
    close() {
      closeSync(to);
      closeSync(from);
    },
  };
}

export async function removeAgentPipes(base: string): Promise<void> {
  await Promise.all([FROM(base), TO(base)].map((path) => rm(path, { force: true })));
}
