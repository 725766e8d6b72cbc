import type { BuildEvent } from "../../engines/engine";

/** What happens on the way, and at last what came of it. */
export type Progress<T> = AsyncGenerator<BuildEvent, T>;

/** Runs the work to its end for a caller that wants only the result. */
export async function drain<T>(progress: Progress<T>): Promise<T> {
  for (;;) {
    const step = await progress.next();
    if (step.done) return step.value;
  }
}
