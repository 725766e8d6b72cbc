import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** A process of the host: its number and when it started, because numbers come around again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, as the kernel tells it. */
  readonly start: string;
}

/** When a process started; null where there is none, or only its remains that nobody has collected. */
export async function processStart(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (stat === null) return null;
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  return state === "Z" || state === "X" || start === undefined ? null : start;
}

/** Whether this very process still runs. */
export async function isAlive({ pid, start }: ProcessIdentity): Promise<boolean> {
  return (await processStart(pid)) === start;
}

/** Longest wait for the end of a process that was killed; one that hangs in the kernel does not end. */
const END_TIMEOUT_MS = 10_000;

/** Kills a process and waits until it is gone, for a bounded time; one that is gone is fine. */
export async function endProcess(identity: ProcessIdentity): Promise<void> {
  if (!(await isAlive(identity))) return;
  try {
    process.kill(identity.pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
  const giveUpAt = performance.now() + END_TIMEOUT_MS;
  for (
    let pauseMs = 1;
    (await isAlive(identity)) && performance.now() < giveUpAt;
    pauseMs = Math.min(pauseMs * 2, 20)
  ) {
    await sleep(pauseMs);
  }
}
