import { randomBytes } from "node:crypto";
import { lchown, lstat, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import { type PreparedBase, prepareBase, UNFINISHED } from "./base/prepare-base";
import { treeDigest } from "./base/tree-digest";
import { runCommand, tryCommand } from "./command";
import type { LocalHome } from "./home";
import { APT_PLACEHOLDERS, INSIDE } from "./host-facts";
import type { LayerStore } from "./layer-store";
import { UID_SHIFT } from "./oci-spec";
import { readRecordFile, writeRecordFile } from "./record-file";

/** The lowest layer of every image. */
export interface BaseLayer {
  /** What it contains, 64 hex digits; also its key. */
  readonly digest: string;
  readonly description: string;
}

export interface BaseLayerInput {
  readonly home: LocalHome;
  readonly layers: LayerStore;
  /** `OPENCOMPUTER_BASE`. */
  readonly source: string | undefined;
  readonly cacheDir: string;
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

const recordSchema = z.record(z.string(), z.object({ digest: z.string(), description: z.string() }));

/**
 * Makes sure that the base is a layer of this home. What a source resolved to is remembered, so that all starts but the
 * first take no time, and an image does not change because somebody updated a mirror. Directories and archives of this
 * machine are looked at each time, because they change under one name.
 */
export async function ensureBaseLayer(input: BaseLayerInput): Promise<BaseLayer> {
  const file = join(input.home.root, "base.json");
  const known = (await readRecordFile(file, recordSchema)) ?? {};
  const name = input.source ?? "default";
  const remembered = /^(dir|tar):/.test(name) ? undefined : known[name];
  if (remembered && (await input.layers.has(remembered.digest))) return remembered;
  const prepared = await prepareBase(input);
  if (!(await input.layers.has(prepared.digest))) await importBase(input, await soundBase(input, prepared));
  failpoint("base.layered");
  const base = { digest: prepared.digest, description: prepared.description };
  await writeRecordFile(file, { ...known, [name]: base });
  return base;
}

/** Making it from packages, in the worst case. */
const MEND_LIMIT_MS = 3_600_000;

/**
 * Makes the base a layer again where it was damaged since the start.
 *
 * @throws damaged where the cache's copy was, too, and what is made now is another base
 */
export async function mendBaseLayer(input: Omit<BaseLayerInput, "signal">, base: BaseLayer): Promise<void> {
  if (await input.layers.has(base.digest)) return;
  const { digest } = await ensureBaseLayer({ ...input, signal: AbortSignal.timeout(MEND_LIMIT_MS) });
  if (digest === base.digest) return;
  const message = "the base of all images is damaged, and making it again gave another one";
  throw new OpenComputerError("damaged", `${message}; start the server anew, and build the images on that`);
}

/** The cache may hold the very files that were damaged, because a layer is made of links to them. */
async function soundBase(input: BaseLayerInput, prepared: PreparedBase): Promise<PreparedBase> {
  const { layers, signal, onProgress } = input;
  if ((await layers.damageOf(prepared.digest)) === null) return prepared;
  if ((await treeDigest(prepared.rootfs, UID_SHIFT, signal)) === prepared.digest) return prepared;
  onProgress("the base in the cache is damaged, too; it is made again");
  const folder = dirname(prepared.rootfs);
  await rename(folder, join(dirname(folder), `${UNFINISHED}${randomBytes(8).toString("hex")}`));
  return prepareBase(input);
}

/** By hard links where cache and home share a file system: no bytes move, and either may be deleted alone. */
async function importBase({ layers, onProgress, signal }: BaseLayerInput, base: PreparedBase): Promise<void> {
  onProgress(`importing the base (${base.description})`);
  const dir = await layers.begin();
  const root = join(dir, "fs");
  const options = { signal, timeoutMs: 600_000 };
  try {
    if (!(await tryCommand("cp", ["-al", `${base.rootfs}/.`, root], options))) {
      await rm(root, { recursive: true, force: true });
      await mkdir(root);
      await runCommand("cp", ["-a", `${base.rootfs}/.`, root], options);
    }
    await addMountPoints(root);
    failpoint("base.copied");
    await layers.commit(dir, base.digest);
  } finally {
    await layers.discard(dir);
  }
}

/**
 * What containers are given needs a place to be mounted at. Making these once, here, keeps all other layers free of
 * them. The file in /tmp keeps runsc from mounting memory over an empty /tmp.
 */
async function addMountPoints(root: string): Promise<void> {
  for (const path of [INSIDE, "proc", "sys", "dev", "tmp"]) await addDir(join(root, path));
  for (const path of [
    "etc/resolv.conf",
    "etc/hosts",
    "etc/hostname",
    "etc/machine-id",
    "tmp/.opencomputer",
    ...APT_PLACEHOLDERS,
  ]) {
    await addFile(join(root, path));
  }
}

async function addDir(path: string): Promise<void> {
  if (await lstat(path).catch(() => null)) return;
  await mkdir(path, { recursive: true });
  await lchown(path, UID_SHIFT, UID_SHIFT);
}

/** A file that is there stays; a link to somewhere else becomes an empty file. */
async function addFile(path: string): Promise<void> {
  const there = await lstat(path).catch(() => null);
  if (there?.isFile()) return;
  if (there) await rm(path);
  await addDir(dirname(path));
  await writeFile(path, "", { mode: 0o644 });
  await lchown(path, UID_SHIFT, UID_SHIFT);
}
