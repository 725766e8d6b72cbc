import { readFileSync } from "node:fs";
import { join } from "node:path";
import ignore from "ignore";
import { parseDockerIgnore } from "./docker-ignore";
import type { LocalDirOptions } from "./local-dir-options";
import { attempt, type ReportProblem } from "./local-problems";
import { literalPrefix, type PathRules, reachesInto } from "./path-rules";

/** Decides what of a tree is added. Paths are relative to the tree, with `/`. */
export interface IgnoreRules {
  readonly leavesOut: (path: string, isDirectory: boolean) => boolean;
  /** Whether something below a directory that is left out may be added all the same. */
  readonly mayAddBelow: (directory: string) => boolean;
}

/** A repository, or what stands for one in a worktree or a submodule: it differs from clone to clone. */
const GIT = /(^|\/)\.git(\/|$)/;

/**
 * The rules for one tree: `.git`, its `.opencomputerignore` (gitignore syntax) or else its `.dockerignore` (Docker's
 * syntax), and `ignore` each leave out; `include` brings back. Problems of the ignore file are reported.
 *
 * @param label the tree as the user wrote it
 */
export function readIgnoreRules(
  tree: string,
  label: string,
  options: LocalDirOptions,
  report: ReportProblem,
): IgnoreRules {
  const include = toGitRules(options.include ?? []);
  const own = readIgnoreFile(tree, label, report);
  const rules = [toGitRules(options.ignore ?? []), ...(own ? [own] : [])];
  const included = include.patterns.map(toPrefix);
  const comebacks = [...included, ...rules.flatMap((one) => one.exceptions)];
  return {
    leavesOut: (path, isDirectory) =>
      (GIT.test(path) || rules.some((one) => one.match(path, isDirectory))) && !include.match(path, isDirectory),
    mayAddBelow: (directory) =>
      (GIT.test(directory) ? included : comebacks).some((prefix) => reachesInto(prefix, directory)),
  };
}

function readIgnoreFile(tree: string, label: string, report: ReportProblem): PathRules | undefined {
  const native = readIfThere(tree, label, ".opencomputerignore", report);
  if (native !== undefined) return toGitRules(native.replace(/^\uFEFF/, "").split(/\r?\n/));
  const docker = readIfThere(tree, label, ".dockerignore", report);
  if (docker === undefined) return undefined;
  try {
    return parseDockerIgnore(docker);
  } catch (error) {
    report(`${join(label, ".dockerignore")}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function readIfThere(tree: string, label: string, name: string, report: ReportProblem): string | undefined {
  return attempt(join(label, name), report, () => {
    try {
      return readFileSync(join(tree, name), "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  });
}

/** A file below a directory that git's rules leave out cannot be brought back by them: there are no exceptions. */
function toGitRules(patterns: readonly string[]): PathRules & { readonly patterns: readonly string[] } {
  // Case counts on every platform, and so does a name such as "..".
  const rules = ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns);
  const match = (path: string, isDirectory: boolean) => rules.ignores(isDirectory ? `${path}/` : path);
  return { match: patterns.length === 0 ? () => false : match, exceptions: [], patterns };
}

/** A pattern without a slash before its end matches at any depth. */
function toPrefix(pattern: string): string {
  return /\/./.test(pattern) ? literalPrefix(pattern.replace(/^\//, "").replace(/\/$/, "")) : "";
}
