import { setTimeout as sleep } from "node:timers/promises";
import { OpenComputerError } from "../errors";

/** Waits before the next look at something. @throws aborted at the signal, naming `what` was waited for */
export async function pause(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new OpenComputerError("aborted", `waiting for ${what} was aborted`, { cause });
  }
}
