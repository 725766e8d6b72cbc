import { cpus } from "node:os";
import { OpenComputerError } from "../../errors";
import { stepKeys } from "../../image/hash";
import type { ImageManifest, Step, StepArgs } from "../../image/image-manifest";
import { summariseStep } from "../../image/step";
import type { BuildEvent, BuildPlan, BuildRequest, Checkpoint, StartCommand } from "../engine";
import { type BuildDeps, buildLayer, type LayerJob } from "./build-layer";
import { downloadPool } from "./download-pool";
import type { LayerStore } from "./layer-store";

/** How layers are stored; part of every step key, because layers stored otherwise cannot stand on these. */
export const LAYER_FLAVOUR = "overlayfs+100000/1";

const DEFAULT_BUILDER_MEMORY_MB = 4096;
const BUILDER_PIDS = 4096;

/** The keys of a manifest over a base, and how many of them stand already. */
export async function planBuild(
  { layers }: { readonly layers: LayerStore },
  baseDigest: string,
  manifest: ImageManifest,
): Promise<BuildPlan> {
  const keys = stepKeys(baseDigest, manifest.steps, LAYER_FLAVOUR);
  let cached = 0;
  while (cached < keys.length && (await layers.has(keys[cached] ?? ""))) cached += 1;
  return { keys, cached };
}

/**
 * Builds an image: each step in a fresh container over the layers before it, each a layer of its own as soon as it
 * passed. Layers are pinned while they are needed, so that no collection takes them away from under a build.
 */
export async function buildImage(deps: BuildDeps, baseDigest: string, request: BuildRequest): Promise<Checkpoint> {
  const { manifest, onLog } = request;
  const count = manifest.steps.length;
  const plan = await planBuild(deps, baseDigest, manifest);
  const unpin = deps.layers.pin([baseDigest, ...plan.keys]);
  try {
    const say = (step: number, type: string, message: string) => onLog({ step, type, message });
    if (plan.cached === count) {
      say(0, "cache_hit", count === 1 ? "the step is built already" : `all ${count} steps are built already`);
      return checkpointAfter(manifest.steps, [baseDigest, ...plan.keys]);
    }
    say(0, "build", `building ${toSteps(count)} (${plan.cached} cached)`);
    const startedAt = performance.now();
    let run = 0;
    for (const index of manifest.steps.keys()) {
      if ((await passStep(deps, request, [baseDigest, ...plan.keys], index)) === "run") run += 1;
    }
    const sum = `${run} run, ${count - run} cached, ${secondsSince(startedAt)} in all`;
    say(count + 1, "checkpoint", `checkpoint of ${toSteps(count)} is ready: ${sum}`);
    return checkpointAfter(manifest.steps, [baseDigest, ...plan.keys]);
  } finally {
    unpin();
  }
}

function toSteps(count: number): string {
  return count === 1 ? "1 step" : `${count} steps`;
}

/** What a sandbox starts from after these steps. */
export function checkpointAfter(steps: readonly Step[], layers: readonly string[]): Checkpoint {
  let env: Record<string, string> = {};
  let workdir: string | null = null;
  let start: StartCommand | undefined;
  for (const step of steps) {
    if (step.type === "env") env = { ...env, ...step.args.vars };
    if (step.type === "workdir") workdir = step.args.path;
    if (step.type === "start_command") start = toStartCommand(step.args);
  }
  return { layers, env, workdir, ...(start ? { start } : {}) };
}

function toStartCommand({ command, readyCommand, readyTimeoutSeconds = 60 }: StepArgs<"start_command">): StartCommand {
  return {
    command,
    ...(readyCommand === undefined ? {} : { readyCommand }),
    readyTimeoutMs: readyTimeoutSeconds * 1000,
  };
}

async function passStep(
  deps: BuildDeps,
  request: BuildRequest,
  layers: readonly string[],
  index: number,
): Promise<"cached" | "run"> {
  const { manifest, onLog, signal } = request;
  const step = manifest.steps[index];
  const key = layers[index + 1];
  if (!step || !key) throw new OpenComputerError("internal", `there is no step ${index + 1}`);
  const number = index + 1;
  const title = `step ${number}/${manifest.steps.length}: ${summariseStep(step)}`;
  const log = (message: string, stream?: "stdout" | "stderr") =>
    onLog({ step: number, type: step.type, message, ...(stream ? { stream } : {}) } satisfies BuildEvent);
  if (signal.aborted) throw new OpenComputerError("build_cancelled", `the build was cancelled before step ${number}`);
  if (await deps.layers.has(key)) {
    log(`${title} (cached)`);
    return "cached";
  }
  log(title);
  const damage = await deps.layers.damageOf(key);
  if (damage !== null) log(`the layer of step ${number} was damaged on the disk (${damage}); it is built again`);
  const startedAt = performance.now();
  const passed = await deps.flights.run(key, {
    work: () => buildLayer(deps, { ...jobOf(request, layers, index), step, key, log }),
    isThere: () => deps.layers.has(key),
    onWait: () => log("another build runs this step; waiting for it"),
    signal,
  });
  const by = passed === "led" ? "" : " by another build";
  log(`step ${number}/${manifest.steps.length} completed in ${secondsSince(startedAt)}${by}`);
  return passed === "led" ? "run" : "cached";
}

function secondsSince(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}

function jobOf(
  request: BuildRequest,
  layers: readonly string[],
  index: number,
): Omit<LayerJob, "step" | "key" | "log"> {
  const { manifest, scope, openBlob, signal, stepTimeoutMs } = request;
  const before = manifest.steps.slice(0, index);
  const below = checkpointAfter(before, layers.slice(0, index + 1));
  const memoryBytes = (manifest.builderMemoryMB ?? DEFAULT_BUILDER_MEMORY_MB) * 1024 * 1024;
  return {
    below,
    scope,
    pool: downloadPool(before),
    place: { number: index + 1, count: manifest.steps.length },
    limits: { memoryBytes, cpuCount: cpus().length, pids: BUILDER_PIDS },
    openBlob,
    signal,
    timeoutMs: stepTimeoutMs,
  };
}
