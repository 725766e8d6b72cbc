import { randomBytes } from "node:crypto";
import { open, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { failpoint } from "../../failpoint";
import { makeFolders } from "../../folders";
import type { DamagedLayer } from "../engine";
import { diskUsage, syncDir, syncFileSystem } from "./durable";
import type { Hand } from "./hand";
import type { LocalHome } from "./home";
import { createLayerCare } from "./layer-care";
import { isDir } from "./layer-check";
import { UID_SHIFT } from "./oci-spec";
import { readRecordFile, writeRecordFile } from "./record-file";
import { removeTree } from "./remove-tree";
import { smallTree, syncAll } from "./small-tree";

/**
 * The frozen layers. A layer that is there is whole: it becomes visible by one rename, after everything in it is on
 * disk. There is no other record; what is not in `layers/` does not exist, and what is in `active/` at start is garbage.
 *
 * Disks fail all the same. What a layer holds is written down beside it soon after it was made; the first use in the life
 * of a server compares names, modes, sizes and times, {@link LayerStore.verify} and, once a week, the background all bytes.
 * What is not as it was is moved to `damaged/` with all that was built on it: it is not there any more.
 */
export interface LayerStore {
  has(key: string): Promise<boolean>;
  /** The directory of a layer, relative to {@link LocalHome.layers}. */
  pathOf(key: string): string;
  /** Makes an empty directory for a layer in the making: `<dir>/fs`, owned by root inside. */
  begin(): Promise<string>;
  /** Makes the finished `<dir>/fs` the layer of this key; one that is there already stays. `dir` is gone afterwards. */
  commit(dir: string, key: string, on?: LayerGround): Promise<void>;
  /** Like {@link commit}, for a `<dir>/fs` that is on disk already and whose size is known: takes no longer for more files. */
  adopt(dir: string, key: string, sizeBytes: number, on?: LayerGround): Promise<void>;
  /** What a layer takes on disk; 0 where it is not there. */
  sizeOf(key: string): Promise<number>;
  /** Throws a directory away. */
  discard(dir: string): Promise<void>;
  /** Keeps layers from being collected until the returned function is called. */
  pin(keys: readonly string[]): () => void;
  /** Removes all layers but these and the pinned ones. */
  collect(keep: ReadonlySet<string>): Promise<{ layers: number; sizeBytes: number }>;
  /** Every layer's key. */
  keys(): Promise<string[]>;
  /** Reads every layer, all its bytes, and puts aside what is not as it was. Returns that. */
  verify(signal: AbortSignal): Promise<readonly DamagedLayer[]>;
  /** What was found wrong with a layer that is not there, in words; null where it never was, or was collected since. */
  damageOf(key: string): Promise<string | null>;
  /** Ends what goes on in the background. */
  close(): void;
}

/** The layers without which a layer means nothing: when one of them is damaged, it cannot stay, and can be made again. */
export type LayerGround = readonly string[];

export interface LayerStoreDeps {
  readonly home: LocalHome;
  readonly hand: Hand;
  /** Hears of every layer that is put aside. */
  readonly onDamage: (damage: DamagedLayer) => void;
}

const recordSchema = z.object({ key: z.string(), sizeBytes: z.number(), on: z.array(z.string()).optional() });
type LayerRecord = z.infer<typeof recordSchema>;

/** The layers of a home. */
export function createLayerStore({ home, hand, onDamage }: LayerStoreDeps): LayerStore {
  const pins = new Map<string, number>();
  const dirOf = (key: string) => join(home.layers, layerId(key));
  const care = createLayerCare({ home, hand, onDamage, recordOf: readRecord });
  const discard = removeTree;
  const store: LayerStore = {
    // The directory is named by a part of the key; the record has all of it.
    async has(key) {
      const isThere = (await readRecord(dirOf(key)))?.key === key && (await isDir(join(dirOf(key), "fs")));
      return care.isWhole(dirOf(key), isThere);
    },
    pathOf: (key) => `${layerId(key)}/fs`,
    begin: () => beginLayer(home),
    async commit(dir, key, on) {
      await commitLayer(home, dir, key, on);
      care.add(dirOf(key));
    },
    async adopt(dir, key, sizeBytes, on) {
      await adoptLayer(home, dir, { key, sizeBytes, ...(on ? { on: [...on] } : {}) });
      care.add(dirOf(key));
    },
    sizeOf: async (key) => (await readRecord(dirOf(key)))?.sizeBytes ?? 0,
    discard,
    pin(keys) {
      for (const key of keys) pins.set(key, (pins.get(key) ?? 0) + 1);
      return () => {
        for (const key of keys) pins.set(key, (pins.get(key) ?? 1) - 1);
      };
    },
    async collect(keep) {
      const removed = { layers: 0, sizeBytes: 0 };
      for (const id of await readdir(home.layers)) {
        const record = await readRecord(join(home.layers, id));
        if (record && (keep.has(record.key) || (pins.get(record.key) ?? 0) > 0)) continue;
        const grave = join(home.active, `gone-${randomId()}`);
        await rename(join(home.layers, id), grave);
        care.forget(join(home.layers, id));
        failpoint("collect.grave");
        await discard(grave);
        removed.layers += 1;
        removed.sizeBytes += record?.sizeBytes ?? 0;
      }
      const there = new Set(await store.keys());
      await care.collect(new Set([...keep].filter((key) => !there.has(key))));
      return removed;
    },
    async keys() {
      const records = await Promise.all((await readdir(home.layers)).map((id) => readRecord(join(home.layers, id))));
      return records.flatMap((record) => (record ? [record.key] : []));
    },
    verify: (signal) => care.verify(signal),
    damageOf: (key) => care.damageOf(key),
    close: () => care.close(),
  };
  return store;
}

/** Layers stand under the first quarter of their key: short, because a mount names every one of them. */
function layerId(key: string): string {
  return key.slice(0, 16);
}

function randomId(): string {
  return randomBytes(8).toString("hex");
}

async function readRecord(dir: string): Promise<LayerRecord | null> {
  return readRecordFile(join(dir, "layer.json"), recordSchema);
}

async function beginLayer(home: LocalHome): Promise<string> {
  const dir = join(home.active, `b-${randomId()}`);
  await makeUpper(dir);
  return dir;
}

/** Makes `<dir>/fs`, the writable top of a stack, as the root directory that the container sees. */
export async function makeUpper(dir: string): Promise<void> {
  const upper = join(dir, "fs");
  await makeFolders(upper);
  const handle = await open(upper, "r");
  try {
    await handle.chown(UID_SHIFT, UID_SHIFT);
    await handle.chmod(0o755);
  } finally {
    await handle.close();
  }
}

async function commitLayer(home: LocalHome, dir: string, key: string, on?: LayerGround): Promise<void> {
  for (const name of await readdir(dir)) {
    if (name !== "fs") await removeTree(join(dir, name));
  }
  const [root, file] = [join(dir, "fs"), join(dir, "layer.json")];
  const small = await smallTree(root);
  const sizeBytes = small?.sizeBytes ?? (await diskUsage(root));
  await writeFile(file, JSON.stringify({ key, sizeBytes, ...(on ? { on: [...on] } : {}) } satisfies LayerRecord));
  failpoint("layer.written");
  await (small ? syncAll([file, ...small.paths, dir]) : syncFileSystem(home.layers));
  failpoint("layer.synced");
  try {
    await rename(dir, join(home.layers, layerId(key)));
  } catch (error) {
    // Another build was first with the same step.
    if ((await readRecord(join(home.layers, layerId(key))))?.key !== key) throw error;
    await removeTree(dir);
  }
  failpoint("layer.renamed");
  await syncDir(home.layers);
  await syncDir(home.active);
}

async function adoptLayer(home: LocalHome, dir: string, record: LayerRecord): Promise<void> {
  await writeRecordFile(join(dir, "layer.json"), record);
  await syncDir(dir);
  await rename(dir, join(home.layers, layerId(record.key)));
  await syncDir(home.layers);
}
