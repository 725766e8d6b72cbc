import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DamagedLayer } from "../engine";
import type { Hand } from "./hand";
import type { LocalHome } from "./home";
import { type CheckDepth, createLayerCheck } from "./layer-check";
import { createQuarantine, isOf } from "./layer-quarantine";
import { createLayerWatch } from "./layer-watch";

/** Sees to it that no layer is used that is not what it was. Layers are told by their directories. */
export interface LayerCare {
  /**
   * Whether a layer can be used, at first use after a quick look at all its entries; for one that has thousands that comes
   * right after, in the background. What cannot be is put aside, so that its place is free.
   *
   * @param isThere whether it has a record and a tree
   */
  isWhole(layer: string, isThere: boolean): Promise<boolean>;
  /** A layer was made just now. */
  add(layer: string): void;
  /** A layer was removed. */
  forget(layer: string): void;
  /** See `LayerStore`. */
  verify(signal: AbortSignal): Promise<readonly DamagedLayer[]>;
  damageOf(key: string): Promise<string | null>;
  /** Removes what was put aside but for these keys. */
  collect(keep: ReadonlySet<string>): Promise<void>;
  close(): void;
}

/** What is written down about a layer, as far as it matters here. */
interface LayerFacts {
  readonly key: string;
  readonly on?: readonly string[] | undefined;
}

export interface LayerCareDeps {
  readonly home: LocalHome;
  readonly hand: Hand;
  readonly onDamage: (damage: DamagedLayer) => void;
  readonly recordOf: (layer: string) => Promise<LayerFacts | null>;
}

const LAYER_NAME = /^[0-9a-f]{16}$/;

/** The care of a home's layers. */
export function createLayerCare({ home, hand, onDamage, recordOf }: LayerCareDeps): LayerCare {
  const check = createLayerCheck(hand);
  const quarantine = createQuarantine(home);
  /** What came of the first look at each. */
  const looks = new Map<string, Promise<boolean>>();
  // What else somebody put there is nobody's, and collected.
  const all = async () =>
    (await readdir(home.layers)).filter((name) => LAYER_NAME.test(name)).map((name) => join(home.layers, name));

  const putAside = async (layer: string, damage: DamagedLayer): Promise<DamagedLayer[]> => {
    await quarantine.putAside(layer, damage);
    looks.delete(layer);
    onDamage(damage);
    const others: DamagedLayer[] = [];
    for (const other of await all()) {
      const record = await recordOf(other);
      if (!record?.on?.some((below) => isOf(damage, below))) continue;
      const problem = `it stands on layer ${damage.key.slice(0, 12)}, which is damaged`;
      others.push(...(await putAside(other, { key: record.key, problem })));
    }
    return [damage, ...others];
  };
  const inspect = async (layer: string, depth: CheckDepth): Promise<DamagedLayer[]> => {
    const record = await recordOf(layer);
    const problem = record ? await check.problemOf(layer, depth) : "its record is gone";
    if (problem === null || !(await all()).includes(layer)) return [];
    return putAside(layer, { key: record?.key ?? layer.slice(home.layers.length + 1), problem });
  };
  const firstLook = async (layer: string): Promise<boolean> => {
    if (!(await check.isLong(layer))) return (await inspect(layer, "quick")).length === 0;
    watch.inspect(layer, "unhurried");
    return true;
  };
  const look = (layer: string): Promise<boolean> => {
    const known = looks.get(layer);
    if (known) return known;
    const first = firstLook(layer);
    looks.set(layer, first);
    // Whoever comes next looks for himself.
    first.then(
      (isWhole) => isWhole || looks.delete(layer),
      () => looks.delete(layer),
    );
    return first;
  };
  const watch = createLayerWatch({ layers: home.layers, check, inspect });

  return {
    async isWhole(layer, isThere) {
      if (isThere) return look(layer);
      // What was whole when it was looked at last is not any more.
      looks.delete(layer);
      if ((await all()).includes(layer)) await look(layer);
      return false;
    },
    add(layer) {
      looks.set(layer, Promise.resolve(true));
      watch.add(layer);
    },
    forget: (layer) => void looks.delete(layer),
    async verify(signal) {
      await watch.settled();
      const damaged: DamagedLayer[] = [];
      for (const layer of await all()) {
        signal.throwIfAborted();
        if (await recordOf(layer)) await check.list(layer);
        damaged.push(...(await inspect(layer, "full")));
      }
      return damaged;
    },
    async damageOf(key) {
      return quarantine.problemOf(key);
    },
    async collect(keep) {
      await quarantine.collect(keep);
    },
    close: () => watch.close(),
  };
}
