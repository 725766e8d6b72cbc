import { createHash, type Hash } from "node:crypto";
import { closeSync, constants, openSync, readlinkSync, readSync } from "node:fs";
import { type TreeEntry, walkTree } from "./tree-walk";

const SCHEME = "opencomputer.tree/1";
const CHUNK_BYTES = 1 << 20;

/**
 * What a tree contains, as 64 hex digits: SHA-256 over a sorted listing of path, kind, mode, owner, group and content
 * digest or link target. Times do not count, nor which names are hard links of one another.
 *
 * @param idShift what was added to every owner and group on disk
 * @throws aborted
 */
export async function treeDigest(root: string, idShift: number, signal: AbortSignal): Promise<string> {
  const listing = createHash("sha256").update(`${SCHEME}\0`);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for await (const entry of walkTree(root, signal)) {
    const { stats } = entry;
    const fields = [
      entry.path,
      kindOf(entry),
      (stats.mode & 0o7777).toString(8),
      stats.uid - idShift,
      stats.gid - idShift,
      contentOf(entry, chunk),
    ];
    // No field can hold a NUL, and every record has as many fields: the listing reads in one way only.
    listing.update(`${fields.join("\0")}\0`, "latin1");
  }
  return listing.digest("hex");
}

function kindOf({ stats }: TreeEntry): string {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "dir";
  if (stats.isSymbolicLink()) return "link";
  return stats.isFIFO() ? "fifo" : "special";
}

function contentOf({ stats, location }: TreeEntry, chunk: Buffer): string {
  if (stats.isSymbolicLink()) return readlinkSync(location, { encoding: "latin1" });
  return stats.isFile() ? hashFile(location, createHash("sha256"), chunk) : "";
}

function hashFile(location: Buffer, hash: Hash, chunk: Buffer): string {
  const file = openSync(location, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const length = readSync(file, chunk);
      if (length === 0) return hash.digest("hex");
      hash.update(chunk.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}
