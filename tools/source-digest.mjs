import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT } from "./project.mjs";

/**
 * One digest over the names and bytes of all that a compiler reads.
 *
 * @param {readonly string[]} paths
 */
export async function digestFiles(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const bytes = await readFile(join(PROJECT, path)).catch(() => Buffer.alloc(0));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}
