import { setTimeout as sleep } from "node:timers/promises";
import type { RunningPulumi } from "./pulumi-stack";

/** Waits until it is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await isSo()); await sleep(100)) {
    if (Date.now() > end) throw new Error(`${what}: not after ${timeoutMs / 1000} s`);
  }
}

/** Waits until a run has printed the text; one that ends before that is shown whole. */
export async function untilPrinted({ printed, end }: RunningPulumi, text: string): Promise<void> {
  const ended = end.then(({ output }) => {
    throw new Error(`it ended without "${text}":\n${output}`);
  });
  await Promise.race([until(`"${text}" is printed`, () => printed().includes(text)), ended]);
}
