import { rm } from "node:fs/promises";
import { join } from "node:path";
import { installTool, originOf } from "./cache.mjs";
import { ask, findProgram, findPrograms } from "./command.mjs";
import { buildGoTool } from "./go-tool.mjs";
import { findCgroups } from "./host.mjs";
import { provideLibseccomp } from "./libseccomp.mjs";
import { GO_TOOLS } from "./pins.mjs";
import { holesOf, refusalOf } from "./runc-holes.mjs";

const RUNSC_FOLDER = `runsc-${GO_TOOLS.runsc.version}`;
const RUNC_FOLDER = `runc-${GO_TOOLS.runc.version}`;

/**
 * @typedef {{ ok: boolean, found?: string, note?: string, keeps?: string }} Finding
 */

/** What checkpoints can be of. */
const FILES = "checkpoints of files (disk_only); those of memory and processes (full) need runsc";
const ALL = "checkpoints of files (disk_only) and of memory and processes (full)";

/** Which runtime OPENCOMPUTER_RUNTIME names. */
const wantedRuntime = () => process.env.OPENCOMPUTER_RUNTIME || "auto";

/**
 * Looks for the OCI runtime that the engine will take: the one that OPENCOMPUTER_RUNTIME names, else gVisor's runsc,
 * else runc.
 *
 * @returns {Promise<Finding>}
 */
export async function checkRuntime() {
  const wanted = wantedRuntime();
  if (wanted === "crun") return { ...(await checkCrun()), keeps: FILES };
  const runsc = wanted === "runc" ? { ok: false } : await checkRunsc();
  if (runsc.ok || wanted === "runsc") return { ...runsc, keeps: ALL };
  return { ...(await checkRunc()), keeps: FILES };
}

/** Gets a runtime of the kind that is wanted. */
export async function provideRuntime() {
  const wanted = wantedRuntime();
  if (wanted === "crun") return;
  await (wanted === "runsc" ? provideRunsc() : provideRunc());
}

/** @returns {Promise<Finding>} */
export async function checkRunsc() {
  const path = findProgram("runsc");
  if (!path) return { ok: false };
  return examineFetched(path, RUNSC_FOLDER) ?? findVersion(path);
}

/**
 * Looks for a runc without known escapes: the first, as the engine does.
 *
 * @returns {Promise<Finding>}
 */
export async function checkRunc() {
  const findings = await Promise.all(findPrograms("runc").map(examineRunc));
  return findings.find(({ ok }) => ok) ?? findings[0] ?? { ok: false };
}

/**
 * What is to be said of one runc.
 *
 * @param {string} path
 * @returns {Promise<Finding>}
 */
export async function examineRunc(path) {
  const fetched = examineFetched(path, RUNC_FOLDER);
  if (fetched) return fetched;
  const { ok, found, version } = await findVersion(path);
  const refusal = refusalOf(version, process.env.OPENCOMPUTER_ACCEPT_RUNC);
  if (!ok || refusal) return { ok: false, found, ...(refusal ? { note: refusal } : {}) };
  const holes = holesOf(version);
  if (holes.length === 0) return { ok, found };
  return {
    ok,
    found,
    note: `accepted by OPENCOMPUTER_ACCEPT_RUNC, although its version is open to ${holes.join(", ")}`,
  };
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

/** Builds runc, which needs Go, a C compiler and libseccomp. */
export async function provideRunc() {
  await installTool(RUNC_FOLDER, ["runc"], async (folder) => {
    const libseccomp = join(folder, "libseccomp");
    const env = await provideLibseccomp(libseccomp);
    await buildGoTool("runc", folder, "it runs sandboxes, and has no escapes that are known", env);
    await rm(libseccomp, { recursive: true, force: true });
  });
}

/**
 * What is to be said of a program that we fetched; undefined where it is the user's own.
 *
 * @param {string} path
 * @param {string} folder
 * @returns {Finding | undefined}
 */
function examineFetched(path, folder) {
  const origin = originOf(path, folder);
  return origin === "own" ? undefined : { ok: origin === "pinned", found: `${path} (fetched, ${origin})` };
}

/** @param {string} path */
async function findVersion(path) {
  const { ok, text } = await ask(path, ["--version"]);
  const version = text.split("\n")[0]?.replace(/^\w+ version /, "") ?? "";
  return { ok, found: `${path} ${version}`, version };
}
