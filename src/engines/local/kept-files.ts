import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";

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

/** SHA-256 of a file, 64 hex digits; null where it cannot be read. */
export async function sha256OfFile(file: string): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    return hash.digest("hex");
  } catch {
    return null;
  }
}

/** Makes a directory and its parents, for us alone. */
export async function makePrivateDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
}
