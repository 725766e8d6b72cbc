import { readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { run } from "./command.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";

const INSTALL_TIMEOUT_MS = 20 * 60_000;
const INSTALLED = "node_modules/.package-lock.json";

/** Installs the packages of package-lock.json where they are missing, changed or made for another Node.js. */
export async function provideNodeModules() {
  await installPackages();
  if (canLoadSqlite()) return;
  const title = `Making SQLite anew, as it is for another Node.js than ${process.version}; compiling takes a minute or two`;
  await step(title, (onLine) => npm(["rebuild", "better-sqlite3"], onLine));
}

/**
 * Not `npm ci`: that insists on lock entries for every platform's optional packages, which a registry mirror may not
 * have. Versions and digests are those of the lock all the same.
 */
async function installPackages() {
  const reason = await reasonToInstall();
  if (!reason) return;
  const title = `Installing npm packages (${reason}); SQLite may have to be compiled, which takes a minute or two`;
  await step(title, (onLine) =>
    npm(["install", "--no-save", "--no-audit", "--no-fund", "--foreground-scripts"], onLine),
  );
}

/**
 * @param {readonly string[]} args
 * @param {(line: string) => void} onLine
 */
function npm(args, onLine) {
  const onNews = (/** @type {string} */ line) => isNews(line) && onLine(line);
  return run("npm", args, { cwd: PROJECT, timeoutMs: INSTALL_TIMEOUT_MS, onLine: onNews });
}

/**
 * Whether a line of npm, node-gyp or make says what is being done. Warnings, about npm's own settings or SQLite's code,
 * would stand in the way of that.
 *
 * @param {string} line
 */
export function isNews(line) {
  return /^(> |added |changed |rebuilt |gyp info|prebuild-install info| {2}[A-Z_]+[( ])/.test(line);
}

/** @returns {Promise<string | undefined>} */
async function reasonToInstall() {
  const lock = await readLock("package-lock.json");
  const installed = await readLock(INSTALLED);
  if (installed) {
    const difference = lock && findDifference(lock, installed);
    return difference && `${difference} is not what package-lock.json says`;
  }
  // npm writes that file at the very end: without it, what is there may be half of something.
  await rm(join(PROJECT, "node_modules"), { recursive: true, force: true });
  return "there are none yet";
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
    if (!found || found.version !== wanted.version || found.integrity !== wanted.integrity) return path;
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
