import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it; what is there stays. Unlike Node's recursive `mkdir`, which calls a folder missing
 * that a full disk had no room for, it throws what the disk said.
 *
 * @example await makeFolders("/var/lib/opencomputer/blobs/sha256/ab", 0o700)
 */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  if ((await tryMake(path, mode)) === "made") return;
  await makeFolders(dirname(path), mode);
  if ((await tryMake(path, mode)) === "no parent")
    throw new Error(`${path} cannot be made: what is above it is no folder`);
}

async function tryMake(path: string, mode: number): Promise<"made" | "no parent"> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" && dirname(path) !== path) return "no parent";
    if (code !== "EEXIST") throw error;
  }
  return "made";
}
