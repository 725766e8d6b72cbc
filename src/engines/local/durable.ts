import { open } from "node:fs/promises";
import { runCommand } from "./command";

const LIMIT_MS = 600_000;

/** Makes the names in a directory survive a power cut. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes everything survive one that the file system of `place` holds by now. */
export async function syncFileSystem(place: string): Promise<void> {
  await runCommand("sync", ["-f", place], { timeoutMs: LIMIT_MS });
}

/** Bytes that a tree takes on disk. */
export async function diskUsage(dir: string): Promise<number> {
  return Number.parseInt(await runCommand("du", ["-s", "--block-size=1", dir], { timeoutMs: LIMIT_MS }), 10);
}
