import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.mjs";

const TIMEOUT_MS = 10 * 60_000;

/**
 * Unpacks packages of a distribution that has apt into a folder; nothing is installed.
 *
 * @param {string} folder
 * @param {readonly string[]} packages
 * @param {(line: string) => void} onLine
 */
export async function unpackDebs(folder, packages, onLine) {
  const options = { cwd: folder, timeoutMs: TIMEOUT_MS, onLine };
  const download = () => run("apt-get", ["download", ...packages], options);
  await download().catch(async () => {
    // A machine that never installed anything knows no packages, and one that did long ago knows some that are gone.
    await run("apt-get", ["update", "-q"], options).catch((error) => onLine(String(error)));
    await download();
  });
  for (const file of await readdir(folder)) {
    if (!file.endsWith(".deb")) continue;
    await run("dpkg-deb", ["-x", file, "."], options);
    await rm(join(folder, file));
  }
}
