import { lstatSync, readdirSync, type Stats } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "./run-tool";

/** Time after which a walk lets others have the thread. */
const SLICE_MS = 40;

/** One file, directory or other thing of a tree. */
export interface TreeEntry {
  /** Relative to the root, without a slash in front; the root itself is the empty path. Bytes as Latin-1 characters. */
  readonly path: string;
  /** The same place for calls of `node:fs`, byte by byte. */
  readonly location: Buffer;
  /** Of the thing itself, never of what a link points to. */
  readonly stats: Stats;
}

/**
 * Every entry of a tree, parents first, names in byte order, so that the order depends on nothing but the names. Names
 * are bytes, not text. Links are not followed and other file systems that are mounted inside are not entered. Memory
 * grows with the widest directories on one path, not with the tree.
 *
 * @throws aborted
 */
export async function* walkTree(root: string, signal: AbortSignal): AsyncGenerator<TreeEntry> {
  const slice = { endMs: performance.now() + SLICE_MS };
  const top = { path: "", location: Buffer.from(root), stats: lstatSync(root) };
  yield* walkEntry(top, top.stats.dev, async () => {
    throwIfAborted(signal, "reading a base root filesystem");
    if (performance.now() < slice.endMs) return;
    await setImmediate();
    slice.endMs = performance.now() + SLICE_MS;
  });
}

async function* walkEntry(entry: TreeEntry, device: number, pause: () => Promise<void>): AsyncGenerator<TreeEntry> {
  await pause();
  yield entry;
  if (!entry.stats.isDirectory() || entry.stats.dev !== device) return;
  const names = readdirSync(entry.location, { encoding: "latin1" }).sort(byCode);
  for (const name of names) {
    const location = Buffer.concat([entry.location, Buffer.from(`/${name}`, "latin1")]);
    const path = entry.path === "" ? name : `${entry.path}/${name}`;
    yield* walkEntry({ path, location, stats: lstatSync(location) }, device, pause);
  }
}

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
