import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { OpenComputerError } from "../../../errors";
import { checkArchive } from "./archive-check";
import { type BaseContext, type BaseRecipe, recipeId } from "./recipe";
import { runTool, throwIfAborted, toolEnv } from "./run-tool";
import { treeDigest } from "./tree-digest";

const TIMEOUT_MS = 30 * 60_000;

/**
 * What every unpacking has in common: owners by number, no extended attributes (those of an overlay would be obeyed when
 * the tree becomes a layer) and no device nodes.
 */
export const UNPACK_ARGS: readonly string[] = [
  "--extract",
  "--numeric-owner",
  "--same-owner",
  "--preserve-permissions",
  "--exclude=./dev/*",
  "--exclude=dev/*",
];

/**
 * The recipe for an archive; its identity is the digest of its bytes, which are read once for that at every start.
 *
 * @throws invalid_input where it cannot be read
 */
export async function tarRecipe(path: string, context: BaseContext): Promise<BaseRecipe> {
  const digest = await fileDigest(path, context);
  return {
    id: recipeId({ kind: "tar", digest }),
    announcement: `base: unpacking ${path}, once`,
    remark: `, from tar:${path}`,
    aptSources: undefined,
    make: async (rootfs, _workDir, { hostEnv, signal }) => {
      await checkArchive({ path, label: path, env: toolEnv(hostEnv), signal });
      mkdirSync(rootfs);
      const args = [...UNPACK_ARGS, "--file", path, "--directory", rootfs];
      await runTool({ ...UNPACKING, args, env: toolEnv(hostEnv), signal, purpose: `unpacking ${path}` });
    },
  };
}

/**
 * The recipe for a directory; its identity is the digest of the tree in it, read at every start. Other file systems that
 * are mounted inside are left out.
 *
 * @throws invalid_input where it is no directory
 */
export async function dirRecipe(path: string, context: BaseContext): Promise<BaseRecipe> {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw unreadable("dir", path, "is no directory");
  context.onProgress(`base: reading ${path}`);
  return {
    id: recipeId({ kind: "dir", digest: await treeDigest(path, 0, context.signal) }),
    announcement: `base: copying ${path}, once`,
    remark: `, from dir:${path}`,
    aptSources: undefined,
    make: (rootfs, _workDir, { hostEnv, signal }) => copyTree(path, rootfs, toolEnv(hostEnv), signal),
  };
}

/** Copies a tree with its owners, links and hard links, and without what a base must not have. */
export async function copyTree(
  from: string,
  to: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(to);
  const script =
    'set -o pipefail; from=$1; to=$2; shift 2; tar --create --one-file-system --directory "$from" --file - . | tar "$@" --file - --directory "$to"';
  const args = ["-c", script, "copy", from, to, ...UNPACK_ARGS];
  await runTool({ ...UNPACKING, file: "bash", args, env, signal, purpose: `copying ${from}` });
}

const UNPACKING = { file: "tar", timeoutMs: TIMEOUT_MS, failure: "invalid_input" } as const;

async function fileDigest(path: string, { signal, onProgress }: BaseContext): Promise<string> {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw unreadable("tar", path, "is no file");
  onProgress(`base: reading ${path}`);
  throwIfAborted(signal, `reading ${path}`);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest("hex");
}

function unreadable(form: string, path: string, why: string): OpenComputerError {
  return new OpenComputerError(
    "invalid_input",
    `OPENCOMPUTER_BASE is ${form}:${path}, but that ${why}. Name one that is there.`,
  );
}
