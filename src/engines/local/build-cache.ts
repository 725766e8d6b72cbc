import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { chown, link, lstat, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { claimsOf, isRelease, LIST_FILE } from "./apt-lists";
import { filesBelow, type KeptFile, makePrivateDir, sha256OfFile } from "./kept-files";
import { UID_SHIFT } from "./oci-spec";
import { removeTree } from "./remove-tree";

/**
 * What package managers downloaded in build steps, for the steps after them. A step never sees the cache itself: it is lent
 * a directory of its own with hard links to what may help it, which belong to the host's root, so that nobody inside can
 * write to them; when all of its processes have ended, what it downloaded itself is moved here. So steps do not wait for
 * one another, a step that was killed leaves nothing, and nothing inside chooses a path that the host follows.
 *
 * What is lent is checked by whoever uses it: packages lie here by their SHA-256, which is computed again before they are
 * lent under the hash that apt names; apt's lists have to match their `Release` file, whose signature apt checks; and pip
 * compares what it has with the hashes of the index. Indexes themselves nobody vouches for, and a registry only says that
 * they have not changed. So they are lent only within one pool (download-pool.ts), and only those are kept that were there
 * before any code of a package could run. One organisation never sees what another one downloaded.
 */
export interface BuildCache {
  /** What is kept for one organisation on one base, its indexes for one pool. */
  of(scope: string, baseDigest: string, pool: string): KeptDownloads;
  /** Forgets everything. Returns what that freed. */
  clear(): Promise<{ sizeBytes: number }>;
}

/** The downloads of one organisation on one base. */
export interface KeptDownloads {
  /**
   * Makes `place` the directory that a step downloads to, with what is kept of apt's lists or of pip's responses. False
   * where that is nothing.
   */
  lend(place: string, user: DownloadUser): Promise<boolean>;
  /** Puts a package into the `archives` of such a place, while the step runs. False where no such package is kept. */
  lendArchive(place: string, name: string, sha256: string): Promise<boolean>;
  /** The lists that lie in a place by now, to be vouched for in {@link keep}. */
  sealLists(place: string): Promise<Seals>;
  /** Keeps what a step downloaded to its place; all of its processes have ended. The oldest go where it is too much. */
  keep(place: string, vouched: Vouched): Promise<void>;
}

/** SHA-256 by name. */
export type Seals = ReadonlyMap<string, string>;

/** What of a step's downloads nobody but the package manager can have written. */
export interface Vouched {
  /** Lists that were there before anything was installed. */
  readonly lists: Seals;
  /** Whether pip ran no code of a package. */
  readonly responses: boolean;
}

/** `apt` has `lists` and `archives` in its place, `pip` has `pip`. */
export type DownloadUser = "apt" | "pip";

/** What is kept of one organisation at most. */
const DEFAULT_LIMIT_BYTES = 2 * 1024 ** 3;

/** Files up to here are kept with their SHA-256. */
const MAX_SUMMED_BYTES = 4 * 1024 ** 2;

const ARCHIVE_FILE = /^[^/]+\.deb$/;
/** Responses by the hash of their address; not `wheels`, which were built here and which nobody vouches for. */
const PIP_FILE = /^http(-v2)?\/([0-9a-f]\/){5}[0-9a-f]{56}(\.body)?$/;

/** The cache in a directory of the file system that layers are made on. */
export function createBuildCache(root: string, limitBytes: number = DEFAULT_LIMIT_BYTES): BuildCache {
  return {
    of(scope, baseDigest, pool) {
      const own = join(root, shortHash(scope));
      const dir = join(own, shortHash(baseDigest));
      const indexes = join(dir, pool);
      return {
        lend: (place, user) => lend(indexes, place, user),
        lendArchive: (place, name, sha256) => lendArchive(dir, place, name, sha256),
        sealLists: (place) => sealLists(join(place, "lists")),
        async keep(place, { lists, responses }) {
          await keepArchives(dir, join(place, "archives"));
          const isSealed = (path: string, sum: string) => lists.get(path) === sum || (sum === "" && !isRelease(path));
          await keepNamed(join(indexes, "lists"), join(place, "lists"), LIST_FILE, isSealed);
          if (responses) await keepNamed(join(indexes, "pip"), join(place, "pip"), PIP_FILE, () => true);
          await evict(own, limitBytes);
        },
      };
    },
    async clear() {
      const sizeBytes = totalOf(await filesBelow(root));
      await removeTree(root);
      return { sizeBytes };
    },
  };
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

async function lend(dir: string, place: string, user: DownloadUser): Promise<boolean> {
  // apt makes no `partial` outside of its own places.
  const inside = user === "apt" ? ["lists", "lists/partial", "archives", "archives/partial"] : ["pip"];
  for (const name of ["", ...inside]) await makeDir(join(place, name));
  if (user === "apt") return lendLists(join(dir, "lists"), join(place, "lists"));
  return lendResponses(join(dir, "pip"), join(place, "pip"));
}

/** As root inside has its own. */
async function makeDir(dir: string): Promise<void> {
  await mkdir(dir);
  await chown(dir, UID_SHIFT, UID_SHIFT);
}

async function lendResponses(from: string, to: string): Promise<boolean> {
  const made = new Set<string>(["."]);
  const makeDirs = async (dir: string): Promise<void> => {
    if (made.has(dir)) return;
    await makeDirs(dirname(dir));
    await makeDir(join(to, dir));
    made.add(dir);
  };
  const responses = await wholeFiles(from);
  for (const [path, file] of responses) {
    await makeDirs(dirname(path));
    await linkTo(file, join(to, path));
  }
  return responses.size > 0;
}

/** The lists that their `Release` file vouches for, and all of these: apt checks their signatures. */
async function lendLists(from: string, to: string): Promise<boolean> {
  const lists = await wholeFiles(from);
  const releases = [...lists].filter(([name]) => isRelease(name));
  for (const [name, release] of releases) {
    const claims = claimsOf(name, await readFile(release, "utf8").catch(() => ""));
    for (const [other, file] of lists) {
      const claim = claims.get(other);
      const isMeant = other === name || other === `${name}.gpg`;
      if (isMeant || (claim !== undefined && (await sha256OfFile(file)) === claim)) await linkTo(file, join(to, other));
    }
  }
  return releases.length > 0;
}

async function lendArchive(dir: string, place: string, name: string, sha256: string): Promise<boolean> {
  if (!ARCHIVE_FILE.test(name) || !/^[0-9a-f]{64}$/.test(sha256)) return false;
  const file = join(dir, "archives", sha256);
  const is = await sha256OfFile(file);
  if (is === null) return false;
  if (is === sha256) return linkInto(file, join(place, "archives"), name);
  await rm(file, { force: true });
  return false;
}

/** While the step runs: its directory may have become a link by now, and is not followed. */
async function linkInto(file: string, dir: string, name: string): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const handle = await open(dir, flags).catch(() => null);
  if (handle === null) return false;
  try {
    return await linkTo(file, `/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}

/** False where the one is gone or the other is there. */
async function linkTo(file: string, target: string): Promise<boolean> {
  return link(file, target).then(
    () => true,
    () => false,
  );
}

async function keepArchives(dir: string, from: string): Promise<void> {
  for (const file of await downloadedTo(from, ARCHIVE_FILE)) {
    const sha256 = await sha256OfFile(join(from, file.path));
    if (sha256 !== null) await moveTo(join(from, file.path), join(dir, "archives", sha256));
  }
}

/** Larger lists need no seal: a `Release` file tells their hashes. */
async function sealLists(from: string): Promise<Seals> {
  const seals = new Map<string, string>();
  for (const { path, stats } of await downloadedTo(from, LIST_FILE)) {
    const sum = stats.size > MAX_SUMMED_BYTES ? null : await sha256OfFile(join(from, path));
    if (sum !== null) seals.set(path, sum);
  }
  return seals;
}

async function keepNamed(
  dir: string,
  from: string,
  pattern: RegExp,
  isVouchedFor: (path: string, sum: string) => boolean,
): Promise<void> {
  for (const { path, stats } of await downloadedTo(from, pattern)) {
    const sum = stats.size > MAX_SUMMED_BYTES ? "" : await sha256OfFile(join(from, path));
    if (sum === null || !isVouchedFor(path, sum)) continue;
    await moveTo(join(from, path), join(dir, `${path}@${sum}`));
    await dropOlder(join(dir, path), sum);
  }
}

/** Those that were kept under the same name. */
async function dropOlder(target: string, sum: string): Promise<void> {
  const name = basename(target);
  for (const other of await readdir(dirname(target)).catch(() => [])) {
    if (!other.startsWith(`${name}@`) || other === `${name}@${sum}`) continue;
    await rm(join(dirname(target), other), { force: true });
  }
}

/**
 * Files that were kept under their names, by these. Small ones are checked, because apt believes a release that is not
 * signed, and pip the pages of an index; for larger ones these tell the hashes.
 */
async function wholeFiles(dir: string): Promise<Map<string, string>> {
  const whole = new Map<string, string>();
  for (const { path } of await filesBelow(dir)) {
    const [, name, sum] = /^(.*)@([0-9a-f]*)$/.exec(path) ?? [];
    if (name === undefined) continue;
    if (sum === "" || (await sha256OfFile(join(dir, path))) === sum) whole.set(name, join(dir, path));
  }
  return whole;
}

/** What a step made itself: what it was lent belongs to the host. */
async function downloadedTo(from: string, pattern: RegExp): Promise<KeptFile[]> {
  const isDir = (await lstat(from).catch(() => null))?.isDirectory() ?? false;
  const files = isDir ? await filesBelow(from) : [];
  return files.filter(({ path, stats }) => pattern.test(path) && stats.uid >= UID_SHIFT && stats.nlink === 1);
}

/** Under the name of the host's root, so that whoever is lent it can read it and no more. */
async function moveTo(file: string, target: string): Promise<void> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.chown(0, 0);
    await handle.chmod(0o644);
  } finally {
    await handle.close();
  }
  await makePrivateDir(dirname(target));
  await rename(file, target);
}

/** A file counts as used when it was kept or lent last: a link is a change of it. */
async function evict(dir: string, limitBytes: number): Promise<void> {
  const files = (await filesBelow(dir)).sort((one, other) => one.stats.ctimeMs - other.stats.ctimeMs);
  let excess = totalOf(files) - limitBytes;
  for (const { path, stats } of files) {
    if (excess <= 0) return;
    await rm(join(dir, path), { force: true });
    excess -= stats.size;
  }
}

function totalOf(files: readonly KeptFile[]): number {
  return files.reduce((sum, { stats }) => sum + stats.size, 0);
}
