import { isUtf8 } from "node:buffer";
import { type BigIntStats, type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { identityOf } from "./hash-batch.cjs";
import { type IgnoreRules, readIgnoreRules } from "./ignore-rules";
import type { DirEntry } from "./image-manifest";
import type { LocalDirOptions } from "./local-dir-options";
import { judgeLink, toSlashes } from "./local-links";
import { attempt, describeKind, Refusal, type ReportProblem } from "./local-problems";

/** A regular file that was found, not read yet. */
export interface FoundFile {
  /** Within the tree, with `/`. */
  readonly path: string;
  /** Absolute; somewhere else than in the tree if a link led to it. */
  readonly file: string;
  /** The path as the user would write it. */
  readonly label: string;
  readonly sizeBytes: number;
  /** The later of its modification and change times, in milliseconds since 1970. */
  readonly changedAtMs: number;
  /** See `identityOf`. */
  readonly identity: string;
  readonly executable: boolean;
}

/** What a directory holds, before its files are read. */
export interface FoundTree {
  /** Its real path. */
  readonly root: string;
  readonly files: readonly FoundFile[];
  readonly others: readonly Exclude<DirEntry, { kind: "file" }>[];
}

/** Describes a regular file by what the system says of it. */
export function toFoundFile(path: string, file: string, label: string, stat: BigIntStats): FoundFile {
  return {
    path,
    file,
    label,
    sizeBytes: Number(stat.size),
    changedAtMs: Math.max(Number(stat.mtimeNs / 1_000_000n), Number(stat.ctimeNs / 1_000_000n)),
    identity: identityOf(stat),
    executable: (stat.mode & 0o100n) !== 0n,
  };
}

/**
 * Lists a directory: files, links, and directories with nothing in them. Reports, and leaves out, whatever cannot be in
 * an image.
 *
 * @param label the directory as the user wrote it
 * @throws what the system says if the directory itself cannot be found
 */
export function walkTree(named: string, label: string, options: LocalDirOptions, report: ReportProblem): FoundTree {
  // The directory that the user named may itself be a link; what it leads to is the tree.
  const root = toSlashes(realpathSync(named));
  if (!lstatSync(root).isDirectory()) throw new Refusal(`${label} is not a directory`);
  const rules = readIgnoreRules(root, label, options, report);
  const follows = options.followSymlinks === true;
  const walk: Walk = { label, rules, follows, report, files: [], others: [] };
  walkDir(walk, { root, aliases: [resolve(named)], prefix: "", above: [] }, "");
  return { root, files: walk.files, others: walk.others };
}

interface Walk {
  readonly label: string;
  readonly rules: IgnoreRules;
  readonly follows: boolean;
  readonly report: ReportProblem;
  readonly files: FoundFile[];
  readonly others: Exclude<DirEntry, { kind: "file" }>[];
}

/** A directory whose inner links are kept: the tree itself, or one that a link led to. */
interface Place {
  /** Its real path. */
  readonly root: string;
  readonly aliases: readonly string[];
  /** Where it stands in the tree. */
  readonly prefix: string;
  /** The real paths of the directories with the links that led here. */
  readonly above: readonly string[];
}

/** Paths are relative to the place. */
function walkDir(walk: Walk, place: Place, path: string): void {
  const inTree = joinPath(place.prefix, path);
  const children = attempt(labelOf(walk, inTree), walk.report, () => listDir(walk, joinPath(place.root, path), inTree));
  if (children?.length === 0 && inTree !== "" && !walk.rules.leavesOut(inTree, true)) {
    walk.others.push({ kind: "dir", path: inTree });
  }
  for (const child of children ?? []) walkEntry(walk, place, joinPath(path, child.name), child);
}

function walkEntry(walk: Walk, place: Place, path: string, entry: Dirent): void {
  const inTree = joinPath(place.prefix, path);
  if (walk.rules.leavesOut(inTree, entry.isDirectory())) {
    if (entry.isDirectory() && walk.rules.mayAddBelow(inTree)) walkDir(walk, place, path);
  } else if (entry.isDirectory()) walkDir(walk, place, path);
  else if (entry.isSymbolicLink()) walkLink(walk, place, path);
  else if (entry.isFile()) walkFile(walk, joinPath(place.root, path), inTree);
  else
    walk.report(`${labelOf(walk, inTree)} is ${describeKind(entry)}; only files, directories and links can be added`);
}

function walkFile(walk: Walk, file: string, inTree: string): void {
  const label = labelOf(walk, inTree);
  const stat = attempt(label, walk.report, () => lstatSync(file, { bigint: true }));
  if (stat?.isFile()) walk.files.push(toFoundFile(inTree, file, label, stat));
  else if (stat) walk.report(`${label} changed while it was read; try again when nothing writes to it`);
}

function walkLink(walk: Walk, place: Place, path: string): void {
  const inTree = joinPath(place.prefix, path);
  const label = labelOf(walk, inTree);
  const target = attempt(label, walk.report, () => readTarget(joinPath(place.root, path), label));
  if (target === undefined) return;
  const fate = judgeLink(place.root, place.aliases, path, target);
  if (fate.kind === "inside") walk.others.push({ kind: "link", path: inTree, target });
  else if (walk.follows) attempt(label, walk.report, () => followLink(walk, place, path, target));
  else if (fate.kind === "outside") {
    walk.report(
      `${label} is a link to ${target}, outside of ${walk.label}; copy the file in, link within, or set followSymlinks`,
    );
  } else {
    walk.report(
      `${label} is a link to ${target}, a place on this machine; link to ${fate.better} instead, or set followSymlinks`,
    );
  }
}

function followLink(walk: Walk, place: Place, path: string, target: string): void {
  const inTree = joinPath(place.prefix, path);
  const label = labelOf(walk, inTree);
  const file = findTarget(joinPath(place.root, path), label, target);
  const stat = statSync(file, { bigint: true });
  if (stat.isFile()) walk.files.push(toFoundFile(inTree, file, label, stat));
  else if (!stat.isDirectory()) throw new Refusal(`${label} is a link to ${target}, which is ${describeKind(stat)}`);
  else if (!walk.rules.leavesOut(inTree, true) || walk.rules.mayAddBelow(inTree)) {
    const above = [...place.above, joinPath(place.root, parentOf(path))];
    if (above.some((dir) => dir === file || dir.startsWith(file === "/" ? file : `${file}/`))) {
      throw new Refusal(`${label} is a link to ${target}, a directory above it: following it has no end`);
    }
    walkDir(walk, { root: file, aliases: [], prefix: inTree, above }, "");
  }
}

function findTarget(link: string, label: string, target: string): string {
  try {
    return toSlashes(realpathSync(link));
  } catch (error) {
    const isGone = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw isGone ? new Refusal(`${label} is a link to ${target}, which does not exist`) : error;
  }
}

/** In the order of their names, so that problems are reported in the same order everywhere. */
function listDir(walk: Walk, dir: string, inTree: string): Dirent[] {
  const children = readdirSync(dir, { withFileTypes: true });
  const suspects = children.some((child) => child.name.includes("\uFFFD")) ? readdirSync(dir, "buffer") : [];
  const broken = suspects.filter((name) => !isUtf8(name));
  for (const name of broken) {
    walk.report(`${labelOf(walk, joinPath(inTree, escapeBytes(name)))} has a name that is not UTF-8; rename it`);
  }
  const lossy = new Set(broken.map((name) => name.toString()));
  return children.filter((child) => !lossy.has(child.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readTarget(link: string, label: string): string {
  const target = readlinkSync(link, "buffer");
  if (isUtf8(target)) return toSlashes(target.toString());
  throw new Refusal(`${label} is a link to ${escapeBytes(target)}, which is not UTF-8`);
}

/** Bytes beyond ASCII as `\xe9`. */
function escapeBytes(name: Buffer): string {
  return name.toString("latin1").replace(/[^\x20-\x7e]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

const labelOf = (walk: Walk, inTree: string) => joinPath(walk.label.replace(/(?<=.)\/$/, ""), inTree);
const joinPath = (dir: string, name: string) => (dir === "" ? name : name === "" ? dir : `${dir}/${name}`);
const parentOf = (path: string) => path.split("/").slice(0, -1).join("/");
