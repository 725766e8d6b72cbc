import { installTool, originOf } from "./cache.mjs";
import { ask, findProgram } from "./command.mjs";
import { buildGoTool } from "./go-tool.mjs";
import { findCgroups } from "./host.mjs";
import { GO_TOOLS } from "./pins.mjs";
import { isAtLeast } from "./version-number.mjs";

const RUNSC_FOLDER = `runsc-${GO_TOOLS.runsc.version}`;

/**
 * @typedef {{ ok: boolean, found?: string, note?: string, keeps?: string }} Finding
 */

/** What checkpoints can be of. */
const FILES = "checkpoints of files (disk_only); those of memory and processes (full) need runsc";
const ALL = "checkpoints of files (disk_only) and of memory and processes (full)";

/**
 * Looks for the OCI runtime that the engine will take: the one that OPENCOMPUTER_RUNTIME names, else gVisor's runsc,
 * else runc.
 *
 * @returns {Promise<Finding>}
 */
export async function checkRuntime() {
  const wanted = process.env.OPENCOMPUTER_RUNTIME || "auto";
  if (wanted === "crun") return { ...(await checkCrun()), keeps: FILES };
  const runsc = wanted === "runc" ? { ok: false } : await checkRunsc();
  if (runsc.ok || wanted === "runsc") return { ...runsc, keeps: ALL };
  return { ...(await findRunc(runcNote)), keeps: FILES };
}

/** @returns {Promise<Finding>} */
export async function checkRunsc() {
  const path = findProgram("runsc");
  if (!path) return { ok: false };
  const origin = originOf(path, RUNSC_FOLDER);
  if (origin === "own") return findVersion(path);
  return { ok: origin === "pinned", found: `${path} (fetched, ${origin})` };
}

/** Without a note: that stands where runc is the runtime that will be used. */
export function checkRunc() {
  return findRunc();
}

/**
 * @param {(version: string) => string | undefined} [toNote]
 * @returns {Promise<Finding>}
 */
async function findRunc(toNote) {
  const path = findProgram("runc");
  return path ? findVersion(path, toNote) : { ok: false };
}

/** @returns {Promise<Finding>} */
async function checkCrun() {
  const path = findProgram("crun");
  if (!path) return { ok: false };
  if ((await findCgroups()) === "version 2") return findVersion(path);
  return { ok: false, found: path, note: "crun does not work with hybrid cgroups" };
}

/** Builds gVisor's runsc, which needs nothing but Go. */
export async function provideRunsc() {
  await installTool(RUNSC_FOLDER, ["runsc"], (folder) =>
    buildGoTool("runsc", folder, "it runs sandboxes behind a kernel of their own"),
  );
}

/**
 * A warning for versions of runc with the container escapes of November 2025, or undefined. Distributions mend old
 * versions without changing their number, so this is no reason to refuse one.
 *
 * @param {string} version
 */
export function runcNote(version) {
  const isMended = isAtLeast(version, "1.3.0") ? isAtLeast(version, "1.3.3") : isAtLeast(version, "1.2.8");
  if (isMended) return undefined;
  return "older than 1.2.8 / 1.3.3: open to CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 unless your distribution mended it; the user namespace of each sandbox softens them, runsc avoids them";
}

/**
 * @param {string} path
 * @param {(version: string) => string | undefined} [toNote]
 * @returns {Promise<Finding>}
 */
async function findVersion(path, toNote) {
  const { ok, text } = await ask(path, ["--version"]);
  const version = text.split("\n")[0]?.replace(/^\w+ version /, "");
  const note = toNote?.(text);
  return { ok, found: `${path} ${version}`, ...(note ? { note } : {}) };
}
