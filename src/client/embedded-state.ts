import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../errors";
import { lastProgress } from "./log-tail";
import { findEmbedded, isAlive, type RunningEmbedded, readCard } from "./running-server";
import { serverLogFile } from "./server-process";

/** What goes on in a home, seen without changing anything. */
export type EmbeddedState =
  | { readonly kind: "none" }
  /** A server has the home and is not ready; `progress` is the last thing that it said. */
  | { readonly kind: "starting"; readonly pid: number; readonly progress?: string }
  | { readonly kind: "running"; readonly server: RunningEmbedded }
  /** The process of the card lives and does not answer: the server, or a stranger who got its number. */
  | { readonly kind: "silent"; readonly pid: number; readonly url: string };

/** @throws what {@link findEmbedded} throws */
export async function readEmbeddedState(home: string, signal?: AbortSignal): Promise<EmbeddedState> {
  const server = await findEmbedded(home, signal ? { signal } : {});
  if (server) return { kind: "running", server };
  const [pid, card] = [await findLockHolder(home), await readCard(home)];
  // A process that was killed may hold its lock a moment longer than it lives.
  if (pid !== undefined && pid !== card?.pid && isAlive(pid)) {
    const progress = await lastProgress(serverLogFile(home));
    return { kind: "starting", pid, ...(progress === undefined ? {} : { progress }) };
  }
  return card && isAlive(card.pid) ? { kind: "silent", pid: card.pid, url: card.url } : { kind: "none" };
}

/** `the server is starting (process 12): unpacking`, for people. */
export function describeStarting({ pid, progress }: Extract<EmbeddedState, { kind: "starting" }>): string {
  return `starting (process ${pid})${progress ? `: ${progress}` : ""}`;
}

/** What a person must look at, because only a person can tell whose process it is. */
export function silentError({ pid, url }: Extract<EmbeddedState, { kind: "silent" }>): OpenComputerError {
  return new OpenComputerError(
    "unavailable",
    `process ${pid} lives but does not answer at ${url}; look at it with: ps -fp ${pid}, and if it is the server, end it with: kill ${pid}`,
  );
}

/** The process that holds the home's lock, as the kernel tells; undefined also where there is no /proc/locks. */
async function findLockHolder(home: string): Promise<number | undefined> {
  try {
    const { ino } = await stat(join(home, "server.lock"));
    // `1: POSIX  ADVISORY  WRITE 4083 fe:00:9979923 1073741824 1073742335`; overlays show another device than stat does.
    const holder = new RegExp(`^\\d+: POSIX +ADVISORY +WRITE (\\d+) [0-9a-f]+:[0-9a-f]+:${ino} `, "m");
    const pid = Number(holder.exec(await readFile("/proc/locks", "utf8"))?.[1] ?? 0);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
