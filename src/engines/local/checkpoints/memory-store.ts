import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { failpoint } from "../../../failpoint";
import { runCommand } from "../command";
import { syncDir } from "../durable";
import type { LocalHome } from "../home";
import { readRecordFile, writeRecordFile } from "../record-file";

/**
 * Memory and processes of sandboxes, as the runtime wrote them: one directory each. Like a layer, an image that is there
 * is whole, and it never changes: any number of sandboxes go on from it at once. Only the very runtime that wrote one
 * reads it.
 */
export interface MemoryStore {
  /** Whether there is an image of this key, whoever wrote it. */
  has(key: string): Promise<boolean>;
  /** Whether this runtime can go on from it. */
  isUsable(key: string): Promise<boolean>;
  dirOf(key: string): string;
  /** Makes an empty directory for an image in the making. */
  begin(): Promise<string>;
  /**
   * Makes it the image of this key, durably, and returns its size. `dir` is gone afterwards.
   *
   * @param layer the layer that holds the files of the same moment; null where they are still a sandbox's own
   */
  commit(dir: string, key: string, layer: string | null): Promise<number>;
  /** The layer that an image was committed with. */
  layerOf(key: string): Promise<string | null>;
  /** Gives an image a second key, without a copy. Returns its size. */
  share(key: string, as: string): Promise<number>;
  /** Throws a directory away. */
  discard(dir: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** Removes all images but these; returns what that freed. */
  collect(keep: ReadonlySet<string>): Promise<number>;
}

/** As stat(2) counts them, whatever those of the file system are. */
const BLOCK_BYTES = 512;

const recordSchema = z.object({
  key: z.string(),
  runtimeVersion: z.string(),
  layer: z.string().nullable(),
  sizeBytes: z.number(),
});

/** The memory images of a home, for a runtime of this version. */
export function createMemoryStore(home: LocalHome, runtimeVersion: string): MemoryStore {
  const dirOf = (key: string) => join(home.memory, key);
  const recordOf = (key: string) => readRecordFile(join(dirOf(key), "image.json"), recordSchema);
  const discard = (dir: string) => rm(dir, { recursive: true, force: true });
  const settle = async (dir: string, key: string) => {
    failpoint("memory.synced");
    await rename(dir, dirOf(key));
    failpoint("memory.renamed");
    await syncDir(home.memory);
  };
  const remove = async (key: string) => {
    const grave = join(home.active, `gone-${randomBytes(8).toString("hex")}`);
    await rename(dirOf(key), grave).catch(ignoreMissing);
    await discard(grave);
  };
  return {
    has: async (key) => (await recordOf(key)) !== null,
    isUsable: async (key) => (await recordOf(key))?.runtimeVersion === runtimeVersion,
    dirOf,
    begin: () => beginImage(home),
    layerOf: async (key) => (await recordOf(key))?.layer ?? null,
    async commit(dir, key, layer) {
      const sizeBytes = await syncFiles(dir);
      await writeRecordFile(join(dir, "image.json"), { key, runtimeVersion, layer, sizeBytes });
      await syncDir(dir);
      await settle(dir, key);
      return sizeBytes;
    },
    async share(key, as) {
      const record = await recordOf(key);
      const dir = await beginImage(home);
      await runCommand("cp", ["-al", `${dirOf(key)}/.`, dir]);
      // Replaces the link by a file of its own.
      await writeRecordFile(join(dir, "image.json"), { ...record, key: as });
      await syncDir(dir);
      await settle(dir, as);
      return record?.sizeBytes ?? 0;
    },
    discard,
    remove,
    async collect(keep) {
      let sizeBytes = 0;
      for (const key of await readdir(home.memory)) {
        if (keep.has(key)) continue;
        sizeBytes += (await recordOf(key))?.sizeBytes ?? 0;
        await remove(key);
      }
      return sizeBytes;
    },
  };
}

/** Has the files of a directory on disk, and tells what they take there. */
async function syncFiles(dir: string): Promise<number> {
  const sizes = await Promise.all((await readdir(dir)).map((name) => syncFile(join(dir, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function syncFile(file: string): Promise<number> {
  const handle = await open(file, "r");
  try {
    await handle.sync();
    return (await handle.stat()).blocks * BLOCK_BYTES;
  } finally {
    await handle.close();
  }
}

async function beginImage(home: LocalHome): Promise<string> {
  const dir = join(home.active, `m-${randomBytes(8).toString("hex")}`);
  await mkdir(dir);
  // Memory holds secrets.
  await chmod(dir, 0o700);
  return dir;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
