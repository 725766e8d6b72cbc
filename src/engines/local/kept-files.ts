import { createHash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "../../folders";

/** A regular file below a directory. */
export interface KeptFile {
  /** Relative to that directory. */
  readonly path: string;
  readonly stats: Stats;
}

/** More than any honest step downloads; whoever makes more finds the rest forgotten. */
const MAX_ENTRIES = 50_000;
const MAX_DEPTH = 12;

/** The regular files below a directory, links not followed. A directory that is not there is empty; so is what goes meanwhile. */
export async function filesBelow(dir: string): Promise<KeptFile[]> {
  const files: KeptFile[] = [];
  const todo = [""];
  let seen = 0;
  for (let place = todo.pop(); place !== undefined; place = todo.pop()) {
    const entries = await readdir(join(dir, place), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      seen += 1;
      if (seen > MAX_ENTRIES) return files;
      const path = join(place, entry.name);
      if (entry.isDirectory() && path.split("/").length < MAX_DEPTH) todo.push(path);
      if (!entry.isFile()) continue;
      const stats = await lstat(join(dir, path)).catch(() => null);
      if (stats) files.push({ path, stats });
    }
  }
  return files;
}

/**
 * SHA-256 of a regular file, 64 hex digits; null where it is none or cannot be read. Neither a link nor a pipe that has taken
 * its place meanwhile leads or holds us anywhere.
 */
export async function sha256OfFile(file: string): Promise<string | null> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch(() => null);
  if (handle === null) return null;
  const hash = createHash("sha256");
  try {
    if (!(await handle.stat()).isFile()) return null;
    for await (const chunk of handle.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
    return hash.digest("hex");
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}

/** Makes a directory and its parents, for us alone. */
export async function makePrivateDir(dir: string): Promise<void> {
  await makeFolders(dir, 0o700);
}
