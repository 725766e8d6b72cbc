import { setTimeout as sleep } from "node:timers/promises";

/** Waits until it is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await isSo()); await sleep(100)) {
    if (Date.now() > end) throw new Error(`${what}: not after ${timeoutMs / 1000} s`);
  }
}
