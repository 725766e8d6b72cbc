import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { assertNever } from "../../../errors";
import { removeTree } from "../remove-tree";
import { withBaseLock } from "./base-lock";
import { parseBaseSource } from "./base-source";
import { dirRecipe, tarRecipe } from "./copied-recipe";
import { finishTree } from "./finish-tree";
import { readHostApt } from "./host-apt";
import { ID_SHIFT, shiftIds } from "./id-shift";
import { readInside } from "./inside";
import { ociRecipe } from "./oci-recipe";
import { parseOsRelease } from "./os-release";
import type { BaseContext, BaseRecipe } from "./recipe";
import { defaultRecipes, namedRecipe, noDefault, whyNoUbuntu, withReason } from "./release-recipe";
import { runTool, toolEnv } from "./run-tool";
import { treeDigest } from "./tree-digest";

export interface PrepareBaseOptions extends BaseContext {
  /** The value of `OPENCOMPUTER_BASE`. */
  readonly source: string | undefined;
  /** What can be had again lives here; the base in `base/<recipe id>/`. */
  readonly cacheDir: string;
}

/** A base root filesystem, ready to be the lowest layer. */
export interface PreparedBase {
  /** Absolute. Every owner and group is 100000 higher than inside. Read-only for everybody: others use it, too. */
  readonly rootfs: string;
  /** What it contains, 64 hex digits. */
  readonly digest: string;
  /** For people: `Ubuntu 22.04 (jammy)`. */
  readonly description: string;
}

const recordSchema = z.object({ digest: z.string().regex(/^[0-9a-f]{64}$/), description: z.string() });

/** Names of unfinished bases start with this; whoever holds the lock may remove them. */
export const UNFINISHED = "unfinished-";
const SYNC_TIMEOUT_MS = 10 * 60_000;

/**
 * The base root filesystem that `OPENCOMPUTER_BASE` asks for, from the cache or made now. In this order: the source is
 * resolved to a recipe; what is cached is returned at once, without network for the default and for releases; else,
 * under a lock among all processes, a tree is made beside its place, finished, shifted, digested, and renamed to its
 * place. A process that is killed on the way leaves an unfinished tree that the next one removes.
 *
 * @throws invalid_input, requirement_missing, unavailable, timeout or aborted
 */
export async function prepareBase(options: PrepareBaseOptions): Promise<PreparedBase> {
  const home = join(options.cacheDir, "base");
  // Nobody but root gets in: the tree has set-user-id programs that belong to ids which a user may own.
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const plan = await planFor(options);
  const cached = findCached(home, plan.candidates);
  if (cached) return cached;
  return withBaseLock(join(home, "lock"), options, async () => {
    await removeUnfinished(home);
    return findCached(home, plan.candidates) ?? (await build(home, plan, options));
  });
}

/** Recipes of which any will do, best first, and how to choose one when none is cached. */
interface Plan {
  readonly candidates: readonly BaseRecipe[];
  readonly choose: (workDir: string) => Promise<BaseRecipe>;
}

async function planFor(options: PrepareBaseOptions): Promise<Plan> {
  const source = parseBaseSource(options.source);
  switch (source.kind) {
    case "default":
      return defaultPlan(options);
    case "mmdebstrap":
      return planOf(namedRecipe(readHostApt(), source.suite));
    case "tar":
      return planOf(await tarRecipe(source.path, options));
    case "dir":
      return planOf(await dirRecipe(source.path, options));
    case "oci":
      return planOf(await ociRecipe(source.ref, options));
    default:
      return assertNever(source);
  }
}

function planOf(recipe: BaseRecipe): Plan {
  return { candidates: [recipe], choose: async () => recipe };
}

function defaultPlan(options: PrepareBaseOptions): Plan {
  const host = readHostApt();
  const { ubuntu, own } = defaultRecipes(host);
  return {
    candidates: own ? [ubuntu, own] : [ubuntu],
    choose: async (workDir) => {
      const reason = await whyNoUbuntu(host, workDir, options);
      if (reason === undefined) return ubuntu;
      if (own === undefined) throw noDefault(reason);
      return withReason(own, reason);
    },
  };
}

function findCached(home: string, recipes: readonly BaseRecipe[]): PreparedBase | undefined {
  for (const { id } of recipes) {
    const record = join(home, id, "base.json");
    if (!existsSync(record)) continue;
    return { rootfs: join(home, id, "fs"), ...recordSchema.parse(JSON.parse(readFileSync(record, "utf8"))) };
  }
  return undefined;
}

async function build(home: string, plan: Plan, options: PrepareBaseOptions): Promise<PreparedBase> {
  const unfinished = join(home, `${UNFINISHED}${process.pid}`);
  const workDir = join(unfinished, "work");
  mkdirSync(workDir, { recursive: true, mode: 0o700 });
  try {
    const recipe = await plan.choose(workDir);
    const record = await makeTree(recipe, unfinished, workDir, options);
    renameSync(unfinished, join(home, recipe.id));
    await sync(home, options);
    return { rootfs: join(home, recipe.id, "fs"), ...record };
  } finally {
    await removeTree(unfinished);
  }
}

async function makeTree(recipe: BaseRecipe, folder: string, workDir: string, context: BaseContext) {
  const startMs = performance.now();
  const rootfs = join(folder, "fs");
  const { onProgress, signal } = context;
  onProgress(recipe.announcement);
  await recipe.make(rootfs, workDir, context);
  finishTree(rootfs, recipe.aptSources, onProgress);
  chmodSync(rootfs, 0o755);
  onProgress("base: handing files over to the sandboxes' users");
  await shiftIds(rootfs, signal);
  onProgress("base: computing what it contains");
  const digest = await treeDigest(rootfs, ID_SHIFT, signal);
  const description = `${parseOsRelease(readInside(rootfs, "/etc/os-release")).description}${recipe.remark}`;
  writeFileSync(join(folder, "base.json"), `${JSON.stringify({ digest, description })}\n`);
  await removeTree(workDir);
  await sync(folder, context);
  onProgress(`base: ${description} is ready after ${Math.round((performance.now() - startMs) / 1000)} s, and cached`);
  return { digest, description };
}

/** To disk before it is renamed to its place: a base that is found is whole, also after a power cut. */
async function sync(path: string, { hostEnv, signal }: BaseContext): Promise<void> {
  const run = { args: ["--file-system", path], env: toolEnv(hostEnv), timeoutMs: SYNC_TIMEOUT_MS, signal };
  await runTool({ ...run, file: "sync", purpose: "writing a base root filesystem to disk", failure: "unavailable" });
}

async function removeUnfinished(home: string): Promise<void> {
  for (const name of readdirSync(home).filter((entry) => entry.startsWith(UNFINISHED))) {
    await removeTree(join(home, name));
  }
}
