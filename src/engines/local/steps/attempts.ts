import { setTimeout as delay } from "node:timers/promises";
import type { StepCommand, StepContext } from "./step-context";

/** How one attempt ended. */
export interface Attempt {
  /** For messages: `apt-get update`. */
  readonly what: string;
  readonly exitCode: number;
  /** The line that says that it may succeed the next time; null where there is none, so that it fails at once. */
  readonly passing: string | null;
}

/** Waits before the second attempt, and before the third, which is the last. */
const DELAYS_MS: readonly number[] = [1_000, 5_000];

/**
 * Makes attempts until one succeeds, where what failed may pass by itself: a registry that is overloaded, restarted or
 * being updated. The package managers try each download several times by themselves; this is for what they take for final.
 *
 * @param attempt gets its number, counted from 1
 * @param delaysMs waits between two attempts, one less than there are attempts
 * @throws build_failed with the last attempt's failure
 */
export async function attemptDownload(
  context: StepContext,
  attempt: (number: number) => Promise<Attempt>,
  delaysMs: readonly number[] = DELAYS_MS,
): Promise<void> {
  for (let number = 1; ; number++) {
    const { what, exitCode, passing } = await attempt(number);
    if (exitCode === 0) return;
    const delayMs = delaysMs[number - 1];
    if (passing === null || delayMs === undefined) throw context.fail(what, exitCode);
    const next = `attempt ${number + 1} of ${delaysMs.length + 1} in ${delayMs / 1000} s`;
    context.log(`${what} failed, which may pass (${passing}); ${next}`);
    await delay(delayMs, undefined, { signal: context.signal });
  }
}

/** Runs a command that downloads, as an attempt. */
export async function runAttempt(
  context: StepContext,
  what: string,
  command: StepCommand,
  passes: (line: string) => boolean,
): Promise<Attempt> {
  let passing: string | null = null;
  const onLine = (line: string, stream: "stdout" | "stderr") => {
    if (passes(line)) passing ??= line;
    return command.onLine?.(line, stream) ?? true;
  };
  const exitCode = await context.run({ ...command, onLine });
  return { what, exitCode, passing };
}
