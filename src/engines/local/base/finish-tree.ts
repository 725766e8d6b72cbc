import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OpenComputerError } from "../../../errors";
import { SANDBOX_HOME, SANDBOX_ID, withSandboxUser } from "./accounts";
import { type AptEntry, toOneLine } from "./apt-entry";
import {
  commonFiles,
  debianFiles,
  EMPTIED_DIRS,
  PACKAGE_CACHES,
  REMOVED_PATHS,
  REQUIRED_PROGRAMS,
  sourcesFile,
} from "./finishing";
import { isInside, locateInside, makeDirInside, readInside, writeInside } from "./inside";

const PROGRAM_FOLDERS = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/**
 * Turns any root filesystem with natural owners into a base: the user `sandbox` with sudo, a neutral identity, working
 * pip and apt, and nothing of the machine it was made on. Links in the tree never lead out of it.
 *
 * @param aptSources entries for its `sources.list`; undefined leaves the tree's own
 * @throws invalid_input naming the programs that it lacks
 */
export function finishTree(
  root: string,
  aptSources: readonly AptEntry[] | undefined,
  onProgress: (line: string) => void,
): void {
  checkPrograms(root, onProgress);
  for (const { path, mode } of EMPTIED_DIRS) empty(makeDirInside(root, path, mode));
  for (const path of PACKAGE_CACHES) if (isInside(root, path)) empty(locateInside(root, path));
  for (const path of REMOVED_PATHS) if (isInside(root, path)) rmSync(locateInside(root, path), { force: true });
  for (const file of commonFiles()) writeInside(root, file);
  if (hasProgram(root, "dpkg")) finishDebian(root, aptSources);
  allowPip(root);
  addUser(root);
}

function checkPrograms(root: string, onProgress: (line: string) => void): void {
  const missing = REQUIRED_PROGRAMS.filter((program) => !hasProgram(root, program));
  if (missing.length > 0) {
    throw new OpenComputerError(
      "invalid_input",
      `the base root filesystem lacks ${missing.join(", ")}. A base needs ${REQUIRED_PROGRAMS.join(", ")}: add them, or choose another OPENCOMPUTER_BASE.`,
      { details: { missing } },
    );
  }
  if (!hasProgram(root, "sudo")) onProgress("base: it has no sudo; commands in sandboxes cannot become root");
}

function hasProgram(root: string, program: string): boolean {
  return PROGRAM_FOLDERS.some((folder) => isInside(root, `${folder}/${program}`));
}

function finishDebian(root: string, aptSources: readonly AptEntry[] | undefined): void {
  for (const file of debianFiles()) writeInside(root, file);
  if (aptSources === undefined) return;
  empty(makeDirInside(root, "/etc/apt/sources.list.d", 0o755));
  writeInside(root, sourcesFile(aptSources.map((entry) => toBaseLine(root, entry))));
}

/** Without secrets of the machine, and with its keyring only where the base has that, too. */
function toBaseLine(root: string, entry: AptEntry): string {
  const options = Object.entries(entry.options).filter(
    ([name, value]) => name !== "signed-by" || isInside(root, value),
  );
  return toOneLine({ ...entry, options: Object.fromEntries(options) }, { credentials: false });
}

/** PEP 668: a marker beside the standard library makes pip refuse. */
function allowPip(root: string): void {
  if (!isInside(root, "/usr/lib")) return;
  for (const name of readdirSync(locateInside(root, "/usr/lib"))) {
    const marker = `/usr/lib/${name}/EXTERNALLY-MANAGED`;
    if (name.startsWith("python3") && isInside(root, marker)) rmSync(locateInside(root, marker));
  }
}

function addUser(root: string): void {
  const shell = isInside(root, "/bin/bash") ? "/bin/bash" : "/bin/sh";
  const read = (name: string) => readInside(root, `/etc/${name}`);
  const accounts = withSandboxUser(
    { passwd: read("passwd"), group: read("group"), shadow: read("shadow"), gshadow: read("gshadow") },
    shell,
  );
  writeInside(root, { path: "/etc/passwd", mode: 0o644, content: accounts.passwd });
  writeInside(root, { path: "/etc/group", mode: 0o644, content: accounts.group });
  writeInside(root, { path: "/etc/shadow", mode: 0o600, content: accounts.shadow });
  writeInside(root, { path: "/etc/gshadow", mode: 0o600, content: accounts.gshadow });
  // Copies that the account tools keep; they would bring the old users back.
  for (const name of ["passwd-", "group-", "shadow-", "gshadow-"])
    rmSync(locateInside(root, `/etc/${name}`), { force: true });
  makeDirInside(root, SANDBOX_HOME, 0o755, SANDBOX_ID);
  makeDirInside(root, "/workspace", 0o755, SANDBOX_ID);
  copySkeleton(root);
}

function copySkeleton(root: string): void {
  if (!isInside(root, "/etc/skel")) return;
  const skeleton = locateInside(root, "/etc/skel");
  for (const name of readdirSync(skeleton)) {
    const path = `${SANDBOX_HOME}/${name}`;
    if (!lstatSync(join(skeleton, name)).isFile() || isInside(root, path)) continue;
    writeInside(root, { path, mode: 0o644, content: readInside(root, `/etc/skel/${name}`), owner: SANDBOX_ID });
  }
}

function empty(location: string): void {
  for (const name of readdirSync(location)) rmSync(join(location, name), { recursive: true, force: true });
}
