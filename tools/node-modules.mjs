import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { run } from "./command.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";

const INSTALL_TIMEOUT_MS = 20 * 60_000;

/** Installs the packages of package-lock.json where they are missing, changed or made for another Node.js. */
export async function provideNodeModules() {
  const reason = await reasonToInstall();
  if (!reason) return;
  const title = `Installing npm packages (${reason}); SQLite may have to be compiled, which takes a minute or two`;
  await step(title, (onLine) =>
    run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: PROJECT, timeoutMs: INSTALL_TIMEOUT_MS, onLine }),
  );
}

/** @returns {Promise<string | undefined>} */
async function reasonToInstall() {
  const lock = await readLock("package-lock.json");
  // npm writes this file at the very end of an installation: an interrupted one has none.
  const installed = await readLock("node_modules/.package-lock.json");
  if (!installed) return "there are none yet";
  const difference = lock && findDifference(lock, installed);
  if (difference) return `${difference} is not what package-lock.json says`;
  return canLoadSqlite() ? undefined : `they are for another Node.js than ${process.version}`;
}

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage
 * @typedef {{ packages: Readonly<Record<string, LockedPackage>> }} Lock
 */

/**
 * The first package that is not installed as the lock says; optional ones may be missing, as npm leaves out those for
 * other machines.
 *
 * @param {Lock} lock
 * @param {Lock} installed
 * @returns {string | undefined}
 */
export function findDifference(lock, installed) {
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (!path.startsWith("node_modules/") && !path.includes("/node_modules/")) continue;
    const found = installed.packages[path];
    if (!found && wanted.optional) continue;
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity) return path;
  }
  return undefined;
}

/** The one package with machine code: it is made for one major version of Node.js. */
function canLoadSqlite() {
  try {
    const Database = createRequire(join(PROJECT, "package.json"))("better-sqlite3");
    new Database(":memory:").close();
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} path
 * @returns {Promise<Lock | undefined>}
 */
async function readLock(path) {
  const text = await readFile(join(PROJECT, path), "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}
