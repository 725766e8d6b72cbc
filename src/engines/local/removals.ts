import { setTimeout as sleep } from "node:timers/promises";
import { removeTree } from "./remove-tree";

/**
 * Removes trees that nobody looks for any more. Small ones are gone when the call returns; large ones take as long as they
 * have files, and go behind it. What a crash leaves of them is garbage in `active/`, as it was before.
 */
export interface Removals {
  remove(dir: string): Promise<void>;
  /** Waits for those that still go. */
  close(): Promise<void>;
}

/** How long a caller waits. */
const PATIENCE_MS = 50;

/** @param removeOne removes a tree; what is not there is fine */
export function createRemovals(removeOne: (dir: string) => Promise<void> = removeTree): Removals {
  const going = new Set<Promise<void>>();
  return {
    async remove(dir) {
      // What cannot be removed now is by the next start.
      const removal = removeOne(dir).catch(() => undefined);
      const gone = removal.then(() => void going.delete(gone));
      going.add(gone);
      await Promise.race([gone, sleep(PATIENCE_MS, undefined, { ref: false })]);
    },
    async close() {
      await Promise.all(going);
    },
  };
}
