import { chmodSync, lchownSync, unlinkSync } from "node:fs";
import { walkTree } from "./tree-walk";

/**
 * Added to every owner and group on disk: root of a base is nobody on the machine. One shift for all, so that layers
 * are shared between sandboxes and between runtimes.
 */
export const ID_SHIFT = 100_000;

/** Ids inside reach from 0 to this, exclusive. */
const ID_COUNT = 65_536;
const NOBODY = 65_534;

/**
 * Shifts every owner and group of a tree by {@link ID_SHIFT}, keeps set-user-id bits, and removes device nodes and
 * sockets, which have no place in a stored base. Ids that do not fit become nobody's. Runs once on a tree: a run that
 * was interrupted leaves one that must be thrown away.
 */
export async function shiftIds(root: string, signal: AbortSignal): Promise<void> {
  // A file with several names is met several times and must be shifted once.
  const shifted = new Set<number>();
  for await (const { location, stats } of walkTree(root, signal)) {
    if (stats.isBlockDevice() || stats.isCharacterDevice() || stats.isSocket()) {
      unlinkSync(location);
      continue;
    }
    if (stats.isFile() && stats.nlink > 1) {
      if (shifted.has(stats.ino)) continue;
      shifted.add(stats.ino);
    }
    lchownSync(location, toOuter(stats.uid), toOuter(stats.gid));
    // A change of owner takes set-user-id and set-group-id away; sudo needs them.
    if (stats.isFile() && (stats.mode & 0o6000) !== 0) chmodSync(location, stats.mode & 0o7777);
  }
}

function toOuter(id: number): number {
  return ID_SHIFT + (id < ID_COUNT ? id : NOBODY);
}
