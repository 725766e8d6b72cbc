import { createHash } from "node:crypto";
import { join } from "node:path";
import { failpoint } from "../../failpoint";
import { syncFileSystem } from "./durable";
import type { Hand } from "./hand";
import type { LocalHome } from "./home";
import type { LayerStore } from "./layer-store";
import { maxLowers, type OverlayFlavour } from "./mounts";

/**
 * Keeps stacks of layers shallow: a look-up of a name that is not there asks every layer, and the kernel takes no more
 * than {@link maxLowers}. Of a deep stack, each {@link RUN} layers above the base become one more layer that stands for
 * them. Its files are theirs, linked: it takes no space but for directories. Images that share their first steps share
 * these, too.
 */
export interface Stacks {
  /**
   * The layers to mount for these, lowest first. Where some are still to be flattened, that is begun, and waited for only
   * where they cannot be mounted as they are.
   */
  toMount(layers: readonly string[]): Promise<readonly string[]>;
  /** Waits for what was begun. */
  close(): Promise<void>;
}

/** Below, nothing is done. */
const DEEP = 64;
const RUN = 32;

/** Layers that one layer may stand for. */
interface Flattened {
  readonly key: string;
  readonly parts: readonly string[];
}

/** The layers that may stand for parts of a stack: none where it is not deep. They are needed as long as the stack is. */
export function flattenedKeys(layers: readonly string[]): string[] {
  return runsOf(layers).map(({ key }) => key);
}

function runsOf(layers: readonly string[]): Flattened[] {
  if (layers.length <= DEEP) return [];
  const count = Math.floor((layers.length - 1) / RUN);
  return Array.from({ length: count }, (_, index) => {
    const parts = layers.slice(1 + index * RUN, 1 + (index + 1) * RUN);
    return {
      key: createHash("sha256")
        .update(["flattened/1", ...parts].join("\n"))
        .digest("hex"),
      parts,
    };
  });
}

export interface StacksDeps {
  readonly home: LocalHome;
  readonly hand: Hand;
  readonly layers: LayerStore;
  readonly overlay: OverlayFlavour;
}

/** The stacks of a home. */
export function createStacks(deps: StacksDeps): Stacks {
  const begun = new Map<string, Promise<void>>();
  let last: Promise<void> = Promise.resolve();
  // One after the other: nobody is in a hurry, and the disk has others to serve.
  const begin = (run: Flattened) => {
    const known = begun.get(run.key);
    if (known) return known;
    const work = last.then(() => flatten(deps, run)).finally(() => begun.delete(run.key));
    begun.set(run.key, work);
    // Who waits for it is told; for others the stack stays as it is, and the next start tries again.
    last = work.catch(() => undefined);
    return work;
  };
  return {
    async toMount(layers) {
      const runs = runsOf(layers);
      const there = await Promise.all(runs.map(({ key }) => deps.layers.has(key)));
      const stackOf = (isFlat: (index: number) => boolean) => [
        ...layers.slice(0, 1),
        ...runs.flatMap(({ key, parts }, index) => (isFlat(index) ? [key] : parts)),
        ...layers.slice(1 + runs.length * RUN),
      ];
      const stack = stackOf((index) => there[index] ?? false);
      const missing = runs.filter((_, index) => !there[index]).map(begin);
      if (stack.length <= maxLowers(deps.overlay)) return stack;
      await Promise.all(missing);
      return stackOf(() => true);
    },
    async close() {
      await last;
    },
  };
}

async function flatten({ home, hand, layers }: StacksDeps, { key, parts }: Flattened): Promise<void> {
  const unpin = layers.pin([key, ...parts]);
  const dir = await layers.begin();
  try {
    if (await layers.has(key)) return;
    await hand.do("merge", join(dir, "fs"), ...parts.map((part) => join(home.layers, layers.pathOf(part))));
    failpoint("flatten.merged");
    await syncFileSystem(home.layers);
    await layers.adopt(dir, key, 0, parts);
    failpoint("flatten.adopted");
  } finally {
    await layers.discard(dir);
    unpin();
  }
}
