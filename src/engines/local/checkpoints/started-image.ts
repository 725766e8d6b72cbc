import { createHash, randomBytes } from "node:crypto";
import { cpus } from "node:os";
import { OpenComputerError } from "../../../errors";
import type { BuildRequest, Checkpoint, ExecSpec, StartCommand } from "../../engine";
import { stepError } from "../build-layer";
import { endContainer, startContainer } from "../container";
import { execInContainer } from "../container-exec";
import type { StepFlights } from "../step-flights";
import { whileSaved } from "./freezer";
import { STARTED } from "./memory-choice";
import { newKey } from "./sandbox-checkpoint";
import type { SandboxDeps } from "./sandbox-deps";
import { type ServiceFailure, startService } from "./service-start";

/** Those of sandboxes: what a service knows of the host, all that start from it know. */
export interface StartedImageDeps extends SandboxDeps {
  readonly flights: StepFlights;
}

const DEFAULT_MEMORY_MB = 4096;
const PIDS = 512;

/**
 * The last part of a build with a `start_command`: boots the finished image once, starts the command and waits until it is
 * ready. Where the runtime keeps memory, that is frozen, so that sandboxes go on from there; else it was a trial, so that
 * an image whose service does not come up fails here and not in every sandbox. Made once for an image and a runtime.
 *
 * @throws build_failed, build_cancelled
 */
export async function freezeStarted(
  deps: StartedImageDeps,
  request: BuildRequest,
  checkpoint: Checkpoint,
): Promise<Checkpoint> {
  const { start } = checkpoint;
  if (!start) return checkpoint;
  const key = keyOf(deps, checkpoint);
  const unpin = deps.layers.pin([...checkpoint.layers, key]);
  const log = logger(request);
  try {
    await deps.flights.run(key, {
      work: () => makeStarted(deps, request, { ...checkpoint, start }, key),
      isThere: async () => (await startedFrom(deps, checkpoint, key)) !== null,
      onWait: () => log("another build starts this image; waiting for it"),
      signal: request.signal,
    });
    const started = await startedFrom(deps, checkpoint, key);
    if (started) return started;
    throw new OpenComputerError("internal", "the started image is gone as soon as it was made");
  } finally {
    unpin();
  }
}

/** The last layer stands for all that the steps say, the command among them. */
function keyOf({ runtime }: StartedImageDeps, { layers }: Checkpoint): string {
  const facts = ["started/1", layers.at(-1), runtime.kind, runtime.kind === "runsc" ? runtime.version : ""];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

/** What sandboxes start from once it is made; null before. */
async function startedFrom(
  { layers, memories, runtime }: StartedImageDeps,
  checkpoint: Checkpoint,
  key: string,
): Promise<Checkpoint | null> {
  if (runtime.kind !== "runsc") return (await layers.has(key)) ? checkpoint : null;
  const memory = `${STARTED}${key}`;
  const top = (await memories.isUsable(memory)) ? await memories.layerOf(memory) : null;
  if (top === null || !(await layers.has(top))) return null;
  return { ...checkpoint, layers: [...checkpoint.layers, top], memory };
}

function logger({ manifest, onLog }: BuildRequest) {
  const step = manifest.steps.findLastIndex(({ type }) => type === "start_command") + 1;
  return (message: string, stream?: "stdout" | "stderr") =>
    onLog({ step, type: "start_command", message, ...(stream ? { stream } : {}) });
}

type Service = Checkpoint & { readonly start: StartCommand };

async function makeStarted(
  deps: StartedImageDeps,
  request: BuildRequest,
  checkpoint: Service,
  key: string,
): Promise<void> {
  const keeps = deps.runtime.kind === "runsc";
  const log = logger(request);
  const startedAt = performance.now();
  log(`starting ${keeps ? "the image, to freeze it" : "the image once, to try it"}: ${checkpoint.start.command}`);
  const dir = await deps.layers.begin();
  try {
    await (keeps ? freeze(deps, request, checkpoint, { dir, key }) : tryOut(deps, request, checkpoint, { dir, key }));
  } catch (error) {
    throw request.signal.aborted ? cancelled() : error;
  } finally {
    await deps.layers.discard(dir);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const outcome = keeps ? "is frozen: sandboxes go on from here" : "came up: each sandbox starts it anew";
  log(`the start command ${outcome} (${seconds} s)`);
}

interface Place {
  readonly dir: string;
  readonly key: string;
}

/** Its memory names the layer that its files became: a half of an earlier attempt is never taken for a whole. */
async function freeze(
  deps: StartedImageDeps,
  request: BuildRequest,
  checkpoint: Service,
  { dir, key }: Place,
): Promise<void> {
  const { layers, memories } = deps;
  const image = await memories.begin();
  try {
    await whileStarted(deps, request, checkpoint, dir, () =>
      // What it did from here on, its memory would not know.
      whileSaved(deps, dir, image, request.signal, () => endContainer(deps, dir)),
    );
    const top = newKey();
    await layers.commit(dir, top, checkpoint.layers.slice(1).slice(-1));
    await memories.remove(`${STARTED}${key}`);
    await memories.commit(image, `${STARTED}${key}`, top);
  } finally {
    await memories.discard(image);
  }
}

/** An empty layer, on which nothing stands, tells that it went well. */
async function tryOut(
  deps: StartedImageDeps,
  request: BuildRequest,
  checkpoint: Service,
  { dir, key }: Place,
): Promise<void> {
  await whileStarted(deps, request, checkpoint, dir, async () => undefined);
  const mark = await deps.layers.begin();
  try {
    await deps.layers.commit(mark, key, checkpoint.layers.slice(1).slice(-1));
  } finally {
    await deps.layers.discard(mark);
  }
}

async function whileStarted(
  deps: StartedImageDeps,
  request: BuildRequest,
  checkpoint: Service,
  dir: string,
  work: () => Promise<void>,
): Promise<void> {
  const { manifest, signal } = request;
  const memoryBytes = (manifest.builderMemoryMB ?? DEFAULT_MEMORY_MB) * 1024 * 1024;
  const limits = { memoryBytes, cpuCount: cpus().length, pids: PIDS };
  const machineId = randomBytes(16).toString("hex");
  const container = {
    dir,
    layers: checkpoint.layers,
    hostname: "image",
    limits,
    network: "egress",
    machineId,
  } as const;
  await startContainer(deps, container, signal);
  try {
    const exec = (spec: ExecSpec) => execInContainer(deps, dir, spec);
    const failure = await startService(exec, checkpoint, signal, logger(request));
    if (failure) throw toBuildError(request, failure);
    await work();
  } finally {
    await endContainer(deps, dir);
  }
}

function cancelled(): OpenComputerError {
  return new OpenComputerError("build_cancelled", "the build was cancelled while the start command was starting");
}

/** With the place of the step in the image, as the failures of other steps have it. */
function toBuildError({ manifest }: BuildRequest, { what, exitCode, lastLines }: ServiceFailure): OpenComputerError {
  const index = manifest.steps.findLastIndex(({ type }) => type === "start_command");
  const step = manifest.steps[index];
  if (!step) return new OpenComputerError("internal", "the image starts a command that none of its steps names");
  return stepError({ step, place: { number: index + 1, count: manifest.steps.length } }, what, exitCode, lastLines);
}
