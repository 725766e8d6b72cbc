import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AptEntry, ofDistribution, parseDeb822Sources, parseOneLineSources } from "./apt-entry";
import { type OsRelease, parseOsRelease } from "./os-release";

/** What a machine says about itself and its package archives. */
export interface HostApt {
  readonly os: OsRelease;
  /** Archives of its own distribution; empty on a machine without apt. */
  readonly entries: readonly AptEntry[];
}

/** Reads `<root>/etc/os-release` and the apt sources below `<root>/etc/apt`. What is not there counts as empty. */
export function readHostApt(root = "/"): HostApt {
  const os = parseOsRelease(readIfThere(join(root, "etc/os-release")));
  const parts = join(root, "etc/apt/sources.list.d");
  const names = listIfThere(parts).sort();
  const entries = [
    ...parseOneLineSources(readIfThere(join(root, "etc/apt/sources.list"))),
    ...names
      .filter((name) => name.endsWith(".list"))
      .flatMap((name) => parseOneLineSources(readIfThere(join(parts, name)))),
    ...names
      .filter((name) => name.endsWith(".sources"))
      .flatMap((name) => parseDeb822Sources(readIfThere(join(parts, name)))),
  ];
  return { os, entries: ofDistribution(entries, os.codename) };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isAbsence(error)) return "";
    throw error;
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
