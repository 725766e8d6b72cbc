import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "./hash";

/** A file whose digest may be remembered. */
export interface StatedFile {
  /** Within its tree. */
  readonly path: string;
  /** What `identityOf` said of it. */
  readonly identity: string;
  /** The later of its modification and change times, in milliseconds since 1970. */
  readonly changedAtMs: number;
}

/** A tree's remembered digests, for one pass over it. */
export interface KnownDigests {
  /** The digest of a file that is as it was, or undefined. */
  readonly find: (file: StatedFile) => string | undefined;
  /** Remembers these digests, and only these, for the next pass. Never fails: a cache is no reason to. */
  readonly save: (digests: ReadonlyMap<StatedFile, string>) => void;
}

/** A file that changed so shortly before it was hashed may have changed again without its times telling. */
const RACY_MS = 2000;
const MAX_TREES = 64;
const MAX_BYTES = 128 * 1024 * 1024;
const FORMAT = "opencomputer.stat/1";

/**
 * Opens what is remembered of one tree: `path, size, times, inode, device → digest`, in one file of the folder. What
 * cannot be read or is damaged counts as nothing.
 *
 * Two rules keep it true. Digests of files that were changed less than two seconds before the pass, or in the future, are
 * not remembered. And if the clock stands before the time of saving, nothing is known: new times may repeat old ones.
 *
 * @param folder where such files are kept; the 64 last used stay, 128 MiB at most
 * @param tree names the tree, and what else decides on its files
 */
export function openStatCache(folder: string, tree: string, nowMs: () => number = Date.now): KnownDigests {
  const startedAtMs = nowMs();
  const file = join(folder, sha256Hex(tree).slice(0, 32));
  const known = readKnown(file, startedAtMs);
  const find = ({ path, identity }: StatedFile) => {
    const one = known.get(path);
    return one?.identity === identity ? one.digest : undefined;
  };
  return {
    find,
    save: (digests) => {
      const settled = [...digests].filter(([one]) => one.changedAtMs < startedAtMs - RACY_MS);
      const isSame = settled.length === known.size && settled.every(([one]) => find(one) !== undefined);
      // Nobody needs to know whether it worked: the next pass is slower if not.
      quietly(() => (isSame ? touch(file) : write(folder, file, toText(settled, startedAtMs))));
    },
  };
}

/** One line with format, time and a checksum of the rest; then path, identity and digest of each file, parted by NULs. */
function toText(digests: readonly (readonly [StatedFile, string])[], savedAtMs: number): string {
  const body = digests.map(([{ path, identity }, digest]) => `${path}\0${identity}\0${digest}`).join("\0");
  return `${FORMAT} ${savedAtMs} ${sha256Hex(body)}\n${body}`;
}

type Known = ReadonlyMap<string, { readonly identity: string; readonly digest: string }>;

function readKnown(file: string, nowMs: number): Known {
  const text = quietly(() => readFileSync(file, "utf8")) ?? "";
  const end = text.indexOf("\n");
  const [format, savedAtMs, checksum] = text.slice(0, Math.max(end, 0)).split(" ");
  const body = text.slice(end + 1);
  const isTrusted = format === FORMAT && Number(savedAtMs) <= nowMs && checksum === sha256Hex(body);
  return new Map(isTrusted ? toKnown(body.split("\0")) : []);
}

function* toKnown(fields: readonly string[]) {
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = "", identity = "", digest = ""] = fields.slice(at, at + 3);
    yield [path, { identity, digest }] as const;
  }
}

function write(folder: string, file: string, text: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unfinished = `${file}.${randomUUID()}`;
  try {
    writeFileSync(unfinished, text, { mode: 0o600 });
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  prune(folder);
}

/** The last used are kept. */
function touch(file: string): void {
  const now = new Date();
  utimesSync(file, now, now);
}

function prune(folder: string): void {
  const files = readdirSync(folder)
    .flatMap((name) => quietly(() => ({ file: join(folder, name), stat: statSync(join(folder, name)) })) ?? [])
    .sort((a, b) => b.stat.mtimeMs - a.stat.mtimeMs);
  let sizeBytes = 0;
  for (const [index, { file, stat }] of files.entries()) {
    sizeBytes += stat.size;
    if (index >= MAX_TREES || sizeBytes > MAX_BYTES) rmSync(file, { force: true });
  }
}

function quietly<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}
