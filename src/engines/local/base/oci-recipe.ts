import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { checkArchive } from "./archive-check";
import { copyTree } from "./copied-recipe";
import { layerFiles } from "./oci-layout";
import { type BaseContext, type BaseRecipe, recipeId } from "./recipe";
import { requireTool, runTool, toolEnv } from "./run-tool";

const INSPECT_TIMEOUT_MS = 60_000;
const COPY_TIMEOUT_MS = 30 * 60_000;
const TAG = "base";

/** Ways to name an image that is not in a registry; skopeo's own. */
const TRANSPORTS = /^(docker|oci|oci-archive|docker-archive|docker-daemon|containers-storage|dir):/;

/**
 * The recipe for a container image; its identity is the digest that the reference stands for now, asked at every start
 * unless the reference holds one. Of the image only its files count.
 *
 * @example await ociRecipe("docker.io/library/ubuntu:22.04", context)
 * @throws requirement_missing without skopeo or umoci; unavailable where the image cannot be found out
 */
export async function ociRecipe(ref: string, context: BaseContext): Promise<BaseRecipe> {
  const env = toolEnv(context.hostEnv);
  for (const tool of ["skopeo", "umoci"]) requireTool(tool, env, `a base from oci:${ref}`);
  const source = TRANSPORTS.test(ref) ? ref : `docker://${ref}`;
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(ref)?.[1] ?? (await resolve(source, env, context));
  return {
    id: recipeId({ kind: "oci", digest }),
    announcement: `base: fetching and unpacking ${ref}, once`,
    remark: `, from oci:${ref}`,
    aptSources: undefined,
    make: (rootfs, workDir, { signal }) => unpackImage({ source, rootfs, workDir, env, signal }),
  };
}

async function resolve(source: string, env: Readonly<Record<string, string>>, context: BaseContext): Promise<string> {
  context.onProgress(`base: looking up ${source}`);
  const output = await runTool({
    file: "skopeo",
    args: ["inspect", "--format", "{{.Digest}}", source],
    env,
    timeoutMs: INSPECT_TIMEOUT_MS,
    signal: context.signal,
    purpose: `looking up ${source}`,
    failure: "unavailable",
  });
  return output.trim().split("\n").at(-1) ?? "";
}

interface Unpacking {
  readonly source: string;
  readonly rootfs: string;
  readonly workDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

async function unpackImage({ source, rootfs, workDir, env, signal }: Unpacking): Promise<void> {
  mkdirSync(workDir, { recursive: true });
  const layout = `${join(workDir, "layout")}:${TAG}`;
  const bundle = join(workDir, "bundle");
  const common = { env: { ...env, TMPDIR: workDir }, timeoutMs: COPY_TIMEOUT_MS, signal };
  const copy = ["copy", "--insecure-policy", source, `oci:${layout}`];
  await runTool({ ...common, file: "skopeo", args: copy, purpose: `fetching ${source}`, failure: "unavailable" });
  for (const path of await layerFiles(join(workDir, "layout"))) {
    await checkArchive({ path, label: `a layer of ${source}`, env, signal });
  }
  const unpack = ["unpack", "--image", layout, bundle];
  await runTool({ ...common, file: "umoci", args: unpack, purpose: `unpacking ${source}`, failure: "invalid_input" });
  // Once more, by tar: an image's extended attributes and devices stay behind.
  await copyTree(join(bundle, "rootfs"), rootfs, env, signal);
}
