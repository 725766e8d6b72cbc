import { realpathSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";

const NAME = "pulumi-opencomputer";

/**
 * Where fetched tools live: `bin/` holds links, `tools/NAME-VERSION/` what they point to. The root is that of
 * src/paths.ts; here again because these tools run before anything is compiled.
 *
 * @param {{ env: Readonly<Record<string, string | undefined>>, homeDir: string }} [inputs]
 */
export function cacheFolders({ env, homeDir } = { env: process.env, homeDir: homedir() }) {
  const root = resolve(env.OPENCOMPUTER_CACHE || join(env.XDG_CACHE_HOME || join(homeDir, ".cache"), NAME));
  return Object.freeze({ root, bin: join(root, "bin"), tools: join(root, "tools") });
}

/**
 * Fills `tools/NAME` once and links its executables into `bin/`. `fill` works in a folder of its own, which gets its
 * name only when all went well: an interrupted fetch leaves nothing that looks finished.
 *
 * @param {string} name With its version, for example `runsc-v1.2.3`.
 * @param {readonly string[]} executables
 * @param {(folder: string) => Promise<void>} fill
 */
export async function installTool(name, executables, fill) {
  const { bin, tools } = cacheFolders();
  const folder = join(tools, name);
  await mkdir(bin, { recursive: true });
  if (!(await exists(folder))) await fillFolder(tools, folder, fill);
  for (const executable of executables) await link(join(folder, executable), join(bin, executable));
}

/**
 * Whether a program that was found is one that we fetched, and if so at the version that we want now: a raised pin makes
 * the old one worth nothing.
 *
 * @param {string} path
 * @param {string} name The name that `installTool` got.
 * @returns {"own" | "pinned" | "outdated"} own: the user's.
 */
export function originOf(path, name) {
  const { root, bin } = cacheFolders();
  if (dirname(path) !== bin) return "own";
  return dirname(realpathSync(path)) === join(realpathSync(root), "tools", name) ? "pinned" : "outdated";
}

/** @param {string} path */
export async function exists(path) {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * @param {string} tools
 * @param {string} folder
 * @param {(folder: string) => Promise<void>} fill
 */
async function fillFolder(tools, folder, fill) {
  await mkdir(tools, { recursive: true });
  await removeAbandoned(tools);
  const unfinished = await mkdtemp(join(tools, `.unfinished-${process.pid}-`));
  try {
    await fill(unfinished);
    // Another process may have finished the same folder meanwhile; then its work stands and ours goes.
    await rename(unfinished, folder).catch(async (error) => {
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/**
 * What processes left behind that were killed at work.
 *
 * @param {string} tools
 */
async function removeAbandoned(tools) {
  for (const entry of await readdir(tools)) {
    const pid = /^\.unfinished-(\d+)-/.exec(entry)?.[1];
    if (pid && !(await exists(`/proc/${pid}`))) await rm(join(tools, entry), { recursive: true, force: true });
  }
}

/**
 * @param {string} target
 * @param {string} path
 */
async function link(target, path) {
  const fresh = `${path}.${process.pid}`;
  await rm(fresh, { force: true });
  await symlink(relative(join(path, ".."), target), fresh);
  const old = await lstat(path).catch(() => undefined);
  if (old?.isDirectory()) await rm(path, { recursive: true });
  await rename(fresh, path);
}
