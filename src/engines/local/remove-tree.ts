import { rm } from "node:fs/promises";
import { runCommand } from "./command";

const LIMIT_MS = 3_600_000;

/**
 * Removes a tree; what is not there is fine. A program inside may have nested directories deeper than any path can name:
 * these only `rm` removes, which goes down step by step.
 */
export async function removeTree(dir: string): Promise<void> {
  try {
    await rm(dir, { recursive: true, force: true });
  } catch {
    await runCommand("rm", ["-rf", "--", dir], { timeoutMs: LIMIT_MS });
  }
}
