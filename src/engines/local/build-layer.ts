import { basename, join } from "node:path";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { Step } from "../../image/image-manifest";
import { summariseStep } from "../../image/step";
import type { Checkpoint, OpenedBlob } from "../engine";
import type { BuildCache, Vouched } from "./build-cache";
import { type ContainerDeps, endContainer, startContainer } from "./container";
import type { DiskUser } from "./disk-watch";
import { DOWNLOADS_INSIDE } from "./host-facts";
import type { LayerGround } from "./layer-store";
import type { ContainerLimits } from "./oci-spec";
import { createStepContext } from "./step-container";
import type { StepFlights } from "./step-flights";
import { downloadsWith, isEmptyStep, runStep } from "./steps/run-step";

/** What builds are made with; one for the whole engine. */
export interface BuildDeps extends ContainerDeps {
  readonly flights: StepFlights;
  readonly cache: BuildCache;
}

/** One step that is to become one layer. */
export interface LayerJob {
  readonly step: Step;
  /** Key of the layer it becomes. */
  readonly key: string;
  /** What the steps before it made. */
  readonly below: Checkpoint;
  /** Whose build it is; see `BuildRequest`. */
  readonly scope: string;
  /** Which steps share indexes with it; see download-pool.ts. */
  readonly pool: string;
  /** Where it stands in the image, for messages; counted from 1. */
  readonly place: { readonly number: number; readonly count: number };
  readonly limits: ContainerLimits;
  readonly openBlob: (digest: string) => Promise<OpenedBlob>;
  readonly log: (message: string, stream?: "stdout" | "stderr") => void;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a step in a container and makes what it changed a layer. In this order: run, end every process, unmount, sync,
 * rename. Whatever fails on the way leaves nothing.
 *
 * @throws build_failed, build_cancelled or blob_missing
 */
export async function buildLayer(deps: BuildDeps, job: LayerJob): Promise<void> {
  await deps.disk.assertRoom();
  const dir = await deps.layers.begin();
  const limit = AbortSignal.timeout(Math.min(job.timeoutMs, 2 ** 31 - 1));
  const quota = watchQuota(deps, dir);
  const signal = AbortSignal.any([job.signal, limit, quota.signal]);
  try {
    if (!isEmptyStep(job.step)) await runInContainer(deps, job, dir, signal);
    if (signal.aborted) throw signal.reason;
    await deps.layers.commit(dir, job.key, groundOf(job));
  } catch (error) {
    if (job.signal.aborted) throw cancelled(job);
    if (limit.aborted) throw tooLong(job);
    if (quota.signal.aborted) throw stepError(job, String(quota.signal.reason), -1, []);
    throw error;
  } finally {
    quota.release();
    await deps.layers.discard(dir);
  }
}

/** Lets who watches over the disk stop a step; the signal's reason says why. */
function watchQuota({ disk }: BuildDeps, dir: string) {
  const controller = new AbortController();
  const end = async (reason: string) => controller.abort(reason);
  const user: DiskUser = { dir, quotaMB: disk.quotaMB, end };
  disk.steps.add(user);
  return { signal: controller.signal, release: () => disk.steps.delete(user) };
}

/** A base is what its key says, however often it is made; a step that is run again may give something else. */
function groundOf({ below }: LayerJob): LayerGround {
  return below.layers.slice(1).slice(-1);
}

async function runInContainer(deps: BuildDeps, job: LayerJob, dir: string, signal: AbortSignal): Promise<void> {
  const { below, limits, step } = job;
  const hostname = `build-${basename(dir).slice(2, 10)}`;
  const downloads = await placeDownloads(deps, job, dir);
  const binds = downloads ? [downloads.bind] : [];
  // What is written becomes a layer only after all of it was synced at once.
  const request = { dir, layers: below.layers, hostname, limits, network: "egress", binds, ignoreSync: true } as const;
  await startContainer(deps, request, signal);
  failpoint("step.begun");
  try {
    const context = createStepContext({ deps, dir, job, signal, downloads: downloads ?? NO_DOWNLOADS });
    await orAborted(runStep(step, context), signal);
    // runsc may hold writes back; a killed one would lose them.
    if (deps.runtime.kind === "runsc") await context.ask(["sync"]);
  } finally {
    await endContainer(deps, dir);
    failpoint("step.ended");
    if (!signal.aborted) await downloads?.keep();
  }
}

const NO_DOWNLOADS = {
  wasLent: false,
  lendArchive: async () => false,
  sealLists: async () => undefined,
  distrustResponses: () => undefined,
};

/** Where a step that installs packages downloads to: beside its layer, not in it. */
async function placeDownloads({ cache }: BuildDeps, { step, scope, pool, below, log }: LayerJob, dir: string) {
  const user = downloadsWith(step);
  if (user === null) return null;
  const place = join(dir, "downloads");
  const kept = cache.of(scope, below.layers[0] ?? "", pool);
  const wasLent = await kept.lend(place, user);
  let vouched: Vouched = { lists: new Map(), responses: true };
  return {
    wasLent,
    bind: { source: place, destination: DOWNLOADS_INSIDE, readonly: false },
    lendArchive: (name: string, sha256: string) => kept.lendArchive(place, name, sha256),
    async sealLists() {
      vouched = { ...vouched, lists: await kept.sealLists(place) };
    },
    distrustResponses() {
      vouched = { ...vouched, responses: false };
    },
    /** A step that passed has passed, whatever becomes of what it downloaded. */
    keep: () =>
      kept.keep(place, vouched).catch((error: Error) => log(`what was downloaded is not kept: ${error.message}`)),
  };
}

/** Does not wait for a step that is slow to notice: ending its container ends it. */
async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  work.catch(() => undefined);
  if (signal.aborted) throw signal.reason;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener("abort", stop));
}

function cancelled({ place }: LayerJob): OpenComputerError {
  const message = `the build was cancelled in step ${place.number}/${place.count}`;
  return new OpenComputerError("build_cancelled", message, { details: { step: place.number } });
}

function tooLong(job: LayerJob): OpenComputerError {
  const seconds = job.timeoutMs / 1000;
  return stepError(job, `ran longer than its limit of ${seconds} s`, -1, []);
}

/** The failure of a step, with what it said last. */
export function stepError(
  { step, place }: Pick<LayerJob, "step" | "place">,
  what: string,
  exitCode: number,
  lastLines: readonly string[],
): OpenComputerError {
  const summary = summariseStep(step);
  const head = `step ${place.number}/${place.count} (${summary}): ${what}`;
  const message = [head, ...lastLines.map((line) => `  ${line}`)].join("\n");
  const details = { step: place.number, stepType: step.type, summary, exitCode, lastLines };
  return new OpenComputerError("build_failed", message, { details });
}
