import { createReadStream, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { cacheHome } from "../paths";
import { compareBytes } from "./byte-order";
import { createFileHasher, type FileHasher, type HashOutcome } from "./file-hasher";
import { digestOf } from "./hash";
import type { DirEntry } from "./image-manifest";
import { ImageSize } from "./image-size";
import type { LocalDirOptions } from "./local-dir-options";
import { attempt, describeKind, explain, Refusal, type ReportProblem } from "./local-problems";
import { type FoundFile, toFoundFile, walkTree } from "./local-tree";
import { type KnownDigests, openStatCache } from "./stat-cache";

/**
 * What local files contain: the one impure door of `image`. Everything that cannot be taken is reported, never thrown.
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

/** Reads local files for one image; what it needs for that is shared by all of them. */
export interface LocalFiles {
  /**
   * Hashes one file; a link is followed, as the user named it. Returns undefined after reporting why not.
   *
   * @param label the path as the user wrote it
   */
  readonly readFile: (file: string, label: string, report: ReportProblem) => LocalFile | undefined;
  /**
   * Reads a directory: files, links that stay inside it, and empty directories, sorted by the bytes of their paths
   * whatever order the file system has (docs/manifest.md). Returns undefined after reporting that there is none.
   */
  readonly readDir: (
    root: string,
    label: string,
    options: LocalDirOptions,
    report: ReportProblem,
  ) => LocalDir | undefined;
  readonly close: () => void;
}

/** Below both, hashing takes less time than remembering. */
const WORTH_CACHE_FILES = 100;
const WORTH_CACHE_BYTES = 4 * 1024 * 1024;

/** Content that the program holds, as a source of bytes. */
export function toBlobSource(content: string | Uint8Array, label: string): BlobSource {
  const bytes = Buffer.from(content);
  return { digest: digestOf(bytes), sizeBytes: bytes.length, label, open: () => Readable.from([bytes]) };
}

/**
 * Opens the reader; threads start when there is enough to do, and end with {@link LocalFiles.close}.
 *
 * @param size counts what is found; what makes the image too large is not read, and told by its `problems`
 */
export function openLocalFiles(size = new ImageSize(), hasher: FileHasher = createFileHasher()): LocalFiles {
  const reader = { size, hasher };
  return {
    readFile: (file, label, report) => attempt(label, report, () => readFile(reader, file, label, report)),
    readDir: (root, label, options, report) =>
      attempt(label, report, () => readDir(reader, root, label, options, report)),
    close: hasher.close,
  };
}

interface Reader {
  readonly size: ImageSize;
  readonly hasher: FileHasher;
}

function readFile({ size, hasher }: Reader, file: string, label: string, report: ReportProblem): LocalFile | undefined {
  const stat = statSync(file, { bigint: true });
  if (!stat.isFile()) throw new Refusal(`${label} is ${describeKind(stat)}, not a file`);
  const found = toFoundFile("", file, label, stat);
  if (!size.take(label, [found])) return undefined;
  const digest = digestFiles(hasher, [found], realpathSync(file), report).get(found);
  return digest === undefined ? undefined : { source: toSource(found, digest), executable: found.executable };
}

function readDir(
  { size, hasher }: Reader,
  root: string,
  label: string,
  options: LocalDirOptions,
  report: ReportProblem,
): LocalDir | undefined {
  const tree = walkTree(root, label, options, report);
  if (!size.take(label, tree.files)) return undefined;
  const digests = digestFiles(hasher, tree.files, `${tree.root}\0${JSON.stringify(options)}`, report);
  const entries: DirEntry[] = [...tree.others];
  const sources: BlobSource[] = [];
  for (const [found, digest] of digests) {
    entries.push({ kind: "file", path: found.path, digest, executable: found.executable });
    sources.push(toSource(found, digest));
  }
  return { entries: sortByPath(entries), sources };
}

/** The digest of each file that has one; why the others have none is reported. */
function digestFiles(
  hasher: FileHasher,
  files: readonly FoundFile[],
  scope: string,
  report: ReportProblem,
): ReadonlyMap<FoundFile, string> {
  const known = isWorthCache(files) ? openKnown(scope) : undefined;
  const digests = new Map<FoundFile, string>();
  const missing: FoundFile[] = [];
  for (const file of files) {
    const digest = known?.find(file);
    if (digest === undefined) missing.push(file);
    else digests.set(file, digest);
  }
  for (const [index, outcome] of hasher.hashAll(missing).entries()) {
    const file = missing[index] as FoundFile;
    if (outcome.kind === "hashed") digests.set(file, outcome.digest);
    else report(explainOutcome(outcome, file.label));
  }
  known?.save(digests);
  return digests;
}

function isWorthCache(files: readonly FoundFile[]): boolean {
  return files.length >= WORTH_CACHE_FILES || files.reduce((sum, file) => sum + file.sizeBytes, 0) >= WORTH_CACHE_BYTES;
}

function openKnown(scope: string): KnownDigests | undefined {
  try {
    const cache = cacheHome({ env: process.env, uid: process.geteuid?.() ?? -1, homeDir: homedir() });
    return openStatCache(join(cache, "stat"), scope);
  } catch {
    // A user without a home has no cache, and is none the worse for it.
    return undefined;
  }
}

function explainOutcome(outcome: Exclude<HashOutcome, { kind: "hashed" }>, label: string): string {
  if (outcome.kind === "unreadable") return explain(label, outcome.error);
  return `${label} changed while it was read; try again when nothing writes to it`;
}

function toSource({ file, label, sizeBytes }: FoundFile, digest: string): BlobSource {
  return { digest, sizeBytes, label, file, open: () => createReadStream(file) };
}

/** They come nearly sorted, so that few are compared. */
function sortByPath(entries: DirEntry[]): DirEntry[] {
  return entries.sort((a, b) => compareBytes(a.path, b.path));
}
