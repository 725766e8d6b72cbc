import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** A tree of few files and directories, and nothing else. */
export interface SmallTree {
  /** Bytes that it takes on disk. */
  readonly sizeBytes: number;
  /** Every directory and file, itself first. */
  readonly paths: readonly string[];
}

const MAX_ENTRIES = 64;
const MAX_BYTES = 16 * 1024 * 1024;
/** Linux takes one less, with the NUL that ends it; so what is in the tree can be named, too. */
const MAX_PATH_BYTES = 3_840;

/**
 * The tree where it is so small that syncing it piece by piece costs less than syncing the whole file system, with all that
 * others write; null where it is not, or holds what cannot be opened and synced: links, devices, whiteouts, directories
 * deeper than a path can name.
 */
export async function smallTree(root: string): Promise<SmallTree | null> {
  const paths: string[] = [];
  const todo = [root];
  let sizeBytes = 0;
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) return null;
    const stats = await lstat(path);
    if (!stats.isDirectory() && !stats.isFile()) return null;
    paths.push(path);
    sizeBytes += stats.blocks * 512;
    if (paths.length + todo.length > MAX_ENTRIES || sizeBytes > MAX_BYTES) return null;
    if (stats.isDirectory()) for (const name of await readdir(path)) todo.push(join(path, name));
  }
  return { sizeBytes, paths };
}

/** Makes files and directories survive a power cut, one by one. */
export async function syncAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
