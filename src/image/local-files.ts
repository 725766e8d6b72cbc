import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { digestOf } from "./hash";
import type { DirEntry } from "./step";

/**
 * The one impure file of `image`: what local files contain. It reads in order, in pieces, and reports every file that it
 * cannot take; it never throws for one.
 */

/** Bytes that somebody can read when they are needed: a local file, or content that the program holds. */
export interface BlobSource {
  readonly digest: string;
  readonly sizeBytes: number;
  /** What to call it in an error: the path as the user wrote it. */
  readonly label: string;
  /** The absolute path of a local file; absent for content that the program holds. */
  readonly file?: string;
  /** A fresh stream of the bytes. They may have changed since: whoever reads compares the digest. */
  readonly open: () => Readable;
}

/** A local file as an image takes it. */
export interface LocalFile {
  readonly source: BlobSource;
  readonly executable: boolean;
}

/** A local directory as an image takes it: sorted entries, and where the bytes of its files are. */
export interface LocalDir {
  readonly entries: readonly DirEntry[];
  readonly sources: readonly BlobSource[];
}

/** Where problems go: the caller knows which step they belong to. */
export type ReportProblem = (message: string) => void;

/** Content that the program holds, as a source of bytes. */
export function toBlobSource(content: string | Uint8Array, label: string): BlobSource {
  const bytes = Buffer.from(content);
  return { digest: digestOf(bytes), sizeBytes: bytes.length, label, open: () => Readable.from([bytes]) };
}

/**
 * Hashes one local file; a link is followed, as the user named it. Returns undefined after reporting why not.
 *
 * @param label the path as the user wrote it
 */
export function readLocalFile(file: string, label: string, report: ReportProblem): LocalFile | undefined {
  return attempt(label, report, () => {
    const fd = openSync(file, "r");
    try {
      const before = fstatSync(fd, { bigint: true });
      if (!before.isFile()) throw new Refusal(`${label} is ${describeKind(before)}, not a file`);
      const digest = `sha256:${hashFd(fd)}`;
      const after = fstatSync(fd, { bigint: true });
      if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) {
        throw new Refusal(`${label} changed while it was read; try again when nothing writes to it`);
      }
      const open = () => createReadStream(file);
      return {
        source: { digest, sizeBytes: Number(after.size), label, file, open },
        executable: (after.mode & 0o100n) !== 0n,
      };
    } finally {
      closeSync(fd);
    }
  });
}

/**
 * Reads a local directory: files, links that stay inside it, and empty directories, sorted by the bytes of their paths
 * whatever order the file system has. Sockets, devices, links that leave the tree and unreadable files are reported.
 */
export function readLocalDir(root: string, label: string, report: ReportProblem): LocalDir | undefined {
  return attempt(label, report, () => {
    // The directory that the user named may itself be a link; what it leads to is the tree.
    const tree = realpathSync(root);
    if (!lstatSync(tree).isDirectory()) throw new Refusal(`${label} is not a directory`);
    const walk: Walk = { root: tree, label, report, entries: [], sources: [] };
    walkDir(walk, "");
    walk.entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    return { entries: walk.entries, sources: walk.sources };
  });
}

interface Walk {
  readonly root: string;
  readonly label: string;
  readonly report: ReportProblem;
  readonly entries: DirEntry[];
  readonly sources: BlobSource[];
}

function walkDir(walk: Walk, path: string): void {
  const children = attempt(labelOf(walk, path), walk.report, () => readdirSync(join(walk.root, path)));
  if (children?.length === 0 && path !== "") walk.entries.push({ kind: "dir", path });
  for (const child of children ?? []) walkEntry(walk, path === "" ? child : `${path}/${child}`);
}

function walkEntry(walk: Walk, path: string): void {
  const absolute = join(walk.root, path);
  const label = labelOf(walk, path);
  const stat = attempt(label, walk.report, () => lstatSync(absolute, { bigint: true }));
  if (stat === undefined) return;
  if (stat.isDirectory()) walkDir(walk, path);
  else if (stat.isSymbolicLink()) walkLink(walk, path);
  else if (stat.isFile()) walkFile(walk, path);
  else walk.report(`${label} is ${describeKind(stat)}; only files, directories and links can be added`);
}

function walkFile(walk: Walk, path: string): void {
  const file = readLocalFile(join(walk.root, path), labelOf(walk, path), walk.report);
  if (file === undefined) return;
  walk.sources.push(file.source);
  walk.entries.push({ kind: "file", path, digest: file.source.digest, executable: file.executable });
}

function walkLink(walk: Walk, path: string): void {
  const target = readlinkSync(join(walk.root, path));
  const inside = relative(walk.root, resolve(walk.root, dirname(path), target));
  if (target.startsWith("/") || inside === ".." || inside.startsWith(`..${sep}`)) {
    walk.report(
      `${labelOf(walk, path)} is a link to ${target}, outside of ${walk.label}; copy the file in, or link within`,
    );
  } else walk.entries.push({ kind: "link", path, target });
}

function labelOf(walk: Walk, path: string): string {
  return path === "" ? walk.label : join(walk.label, path);
}

/** In pieces, so that a large file costs no memory. */
function hashFd(fd: number): string {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(1 << 20);
  for (;;) {
    const length = readSync(fd, piece, 0, piece.length, null);
    if (length === 0) return hash.digest("hex");
    hash.update(piece.subarray(0, length));
  }
}

function attempt<T>(label: string, report: ReportProblem, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    report(explain(label, error));
    return undefined;
  }
}

/** Raised and caught in this file: a file that we will not take, with the whole sentence to report. */
class Refusal extends Error {}

function explain(label: string, error: unknown): string {
  if (error instanceof Refusal) return error.message;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return `${label} does not exist (looked in ${process.cwd()})`;
  if (code === "EACCES") return `${label} cannot be read: permission denied`;
  if (code === "ELOOP") return `${label} is a link that leads to itself`;
  return `${label} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

function describeKind(stat: { isDirectory(): boolean; isSocket(): boolean; isFIFO(): boolean }): string {
  if (stat.isDirectory()) return "a directory";
  if (stat.isSocket()) return "a socket";
  return stat.isFIFO() ? "a pipe" : "a device";
}
