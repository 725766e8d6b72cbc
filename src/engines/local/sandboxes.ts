import { randomBytes } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type {
  Checkpoint,
  CheckpointKind,
  EngineSandboxStatus,
  ExecSpec,
  Execution,
  Hibernated,
  SandboxSpec,
  StartCommand,
  TakenCheckpoint,
} from "../engine";
import { thaw } from "./checkpoints/freezer";
import { asleepAgain, hibernate, settleSleep, wakeUp } from "./checkpoints/hibernation";
import { memoryFor } from "./checkpoints/memory-choice";
import { takeCheckpoint } from "./checkpoints/sandbox-checkpoint";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";
import { readSandbox, startOf, writeRunningSandbox, writeSandbox } from "./checkpoints/sandbox-record";
import { startService } from "./checkpoints/service-start";
import { Transitions } from "./checkpoints/transitions";
import { endContainer, isRunning, readContainer, startContainer } from "./container";
import { execInContainer } from "./container-exec";
import { diskUsersAmong } from "./disk-sandboxes";
import type { DiskUser } from "./disk-watch";
import { assertPlainId } from "./home";
import { makeUpper } from "./layer-store";
import { machineId } from "./machine-id";
import { createRemovals } from "./removals";

const SANDBOX_PIDS = 512;

/**
 * The life of sandboxes. Each is a directory below the home that holds all it wrote; the container over it can be found
 * and ended from what stands there, by this server or by the next.
 */
export interface Sandboxes {
  assertStartable(checkpoint: Checkpoint): Promise<void>;
  create(spec: SandboxSpec, signal: AbortSignal, onBooted?: () => void): Promise<void>;
  status(id: string): Promise<EngineSandboxStatus>;
  stopReason(id: string): Promise<string | null>;
  exec(id: string, spec: ExecSpec): Promise<Execution>;
  checkpoint(id: string, kind: CheckpointKind, signal: AbortSignal): Promise<TakenCheckpoint>;
  restore(spec: SandboxSpec, signal: AbortSignal, onBooted?: () => void): Promise<void>;
  hibernate(id: string, signal: AbortSignal): Promise<Hibernated>;
  wake(spec: SandboxSpec, signal: AbortSignal, onBooted?: () => void): Promise<void>;
  destroy(id: string): Promise<void>;
  /** Destroys all sandboxes but these, and these, too, where they neither sleep nor run, or another runtime runs them. */
  reconcile(known: ReadonlySet<string>): Promise<void>;
  /** What sandboxes stand on: keys of layers and of memory images, network slots. */
  inUse(): Promise<SandboxHoldings>;
  /** Those that run, for who watches over the disk. */
  diskUsers(): Promise<DiskUser[]>;
  /** Waits until nothing of the destroyed is left; the others stay. */
  close(): Promise<void>;
}

export interface SandboxHoldings {
  readonly layers: ReadonlySet<string>;
  readonly memories: ReadonlySet<string>;
  readonly slots: ReadonlySet<number>;
}

/** The sandboxes of a home. */
export function createSandboxes(deps: SandboxDeps): Sandboxes {
  const dirOf = (id: string) => join(deps.home.sandboxes, assertPlainId(id));
  const transitions = new Transitions();
  const removals = createRemovals();
  const burials = new Map<string, Promise<string>>();
  // Whoever comes while one is at it waits for that one.
  const destroy = async (dir: string) => {
    const burial = burials.get(dir) ?? transitions.end(dir, () => bury(deps, dir)).finally(() => burials.delete(dir));
    burials.set(dir, burial);
    await removals.remove(await burial);
  };
  const makeOrDestroy = async <T>(dir: string, make: () => Promise<T>): Promise<T> => {
    try {
      return await make();
    } catch (error) {
      await destroy(dir);
      throw error;
    }
  };
  const all = async () => (await readdir(deps.home.sandboxes)).map((name) => join(deps.home.sandboxes, name));
  return {
    assertStartable: (checkpoint) => whileStartable(deps, checkpoint, async () => undefined),
    async create(spec, signal, onBooted) {
      const dir = dirOf(spec.id);
      await assertFree(dir, spec.id);
      const create = (memory: string | undefined) => createSandbox(deps, dir, spec, { memory, onBooted }, signal);
      await makeOrDestroy(dir, () => whileStartable(deps, spec.checkpoint, create));
    },
    async status(id) {
      if ((await readSandbox(dirOf(id)))?.sleep) return "hibernated";
      return (await isRunning(dirOf(id))) ? "running" : "stopped";
    },
    stopReason: async (id) => (await readSandbox(dirOf(id)))?.stopped ?? null,
    async exec(id, spec) {
      const dir = dirOf(id);
      if (await isRunning(dir)) return execInContainer(deps, dir, spec);
      const why = (await readSandbox(dir))?.stopped;
      throw new OpenComputerError("gone", `sandbox ${id} ${why ?? "is not running"}; create another`);
    },
    async checkpoint(id, kind, signal) {
      const dir = dirOf(id);
      return transitions.run(dir, signal, (either) => takeCheckpoint(deps, dir, kind, either));
    },
    async restore(spec, signal, onBooted) {
      const dir = dirOf(spec.id);
      await transitions.run(dir, signal, (either) =>
        whileStartable(deps, spec.checkpoint, async (memory) => {
          const grave = await bury(deps, dir);
          failpoint("restore.buried");
          try {
            await createSandbox(deps, dir, spec, { memory, onBooted }, either);
            failpoint("restore.created");
          } catch (error) {
            await removals.remove(await bury(deps, dir));
            throw error;
          } finally {
            await removals.remove(grave);
          }
        }),
      );
    },
    async hibernate(id, signal) {
      const dir = dirOf(id);
      return transitions.run(dir, signal, (either) => hibernate(deps, dir, either));
    },
    async wake(spec, signal, onBooted) {
      const dir = dirOf(spec.id);
      await transitions.run(dir, signal, (either) => wakeSandbox(deps, dir, spec, onBooted, either));
    },
    destroy: (id) => destroy(dirOf(id)),
    async reconcile(known) {
      for (const dir of await all()) {
        if (!known.has(basename(dir)) || !(await isWell(deps, dir))) await destroy(dir);
      }
    },
    inUse: async () => holdings(await all()),
    diskUsers: async () => diskUsersAmong(deps, transitions, removals, await all()),
    close: () => removals.close(),
  };
}

async function assertFree(dir: string, id: string): Promise<void> {
  if ((await readdir(dir).catch(() => null)) === null) return;
  throw new OpenComputerError("conflict", `there is a sandbox ${id} already; choose another id`);
}

/** Does something while what a checkpoint names is here and stays; `memory` is the key of the image to go on from. */
async function whileStartable<T>(
  deps: SandboxDeps,
  checkpoint: Checkpoint,
  work: (memory: string | undefined) => Promise<T>,
): Promise<T> {
  await deps.disk.assertRoom();
  const unpin = deps.layers.pin(checkpoint.layers);
  try {
    await assertLayers(deps, checkpoint.layers);
    return await work(await memoryFor(deps, checkpoint));
  } finally {
    unpin();
  }
}

interface Beginning {
  /** Key of the image that it goes on from; undefined where it boots. */
  readonly memory: string | undefined;
  readonly onBoot?: () => void;
  readonly onBooted: (() => void) | undefined;
}

async function createSandbox(
  deps: SandboxDeps,
  dir: string,
  spec: SandboxSpec,
  beginning: Beginning,
  signal: AbortSignal,
): Promise<void> {
  const { checkpoint, diskMB } = spec;
  const { env, workdir, start, layers } = checkpoint;
  await makeUpper(dir);
  await writeRunningSandbox(dir, {
    ...{ layers: [...layers], env, workdir, ...(start ? { start } : {}) },
    ...(diskMB === undefined ? {} : { diskMB }),
  });
  failpoint("sandbox.made");
  await startSandbox(deps, dir, spec, beginning, signal);
}

/** Where it boots, its service is started and waited for. */
async function startSandbox(
  deps: SandboxDeps,
  dir: string,
  { id, memoryMB, cpuCount, network = "egress", checkpoint }: SandboxSpec,
  { memory, onBoot, onBooted }: Beginning,
  signal: AbortSignal,
): Promise<void> {
  const { layers, env, workdir, start } = checkpoint;
  const limits = { memoryBytes: memoryMB * 1024 * 1024, cpuCount, pids: SANDBOX_PIDS };
  const image = memory === undefined ? {} : { memory: deps.memories.dirOf(memory) };
  const made = { dir, layers, hostname: id, limits, network, machineId: machineId(id), ...image };
  const request = { ...made, ...(onBoot ? { onBoot } : {}) };
  await startContainer(deps, request, signal);
  onBooted?.();
  if (start && memory === undefined) await startUp(deps, dir, { env, workdir, start }, signal);
}

async function startUp(
  deps: SandboxDeps,
  dir: string,
  service: Pick<Checkpoint, "env" | "workdir"> & { readonly start: StartCommand },
  signal: AbortSignal,
): Promise<void> {
  const exec = (spec: ExecSpec) => execInContainer(deps, dir, spec);
  const failure = await startService(exec, service, signal).catch((error) => {
    throw signal.aborted ? new OpenComputerError("aborted", "stopped while the start command was starting") : error;
  });
  if (!failure) return;
  const { what, exitCode, lastLines } = failure;
  const message = [what, ...lastLines.map((line) => `  ${line}`)].join("\n");
  throw new OpenComputerError("build_failed", message, {
    details: { stepType: "start_command", exitCode, lastLines },
  });
}

async function wakeSandbox(
  deps: SandboxDeps,
  dir: string,
  spec: SandboxSpec,
  onBooted: (() => void) | undefined,
  signal: AbortSignal,
): Promise<void> {
  const record = await readSandbox(dir);
  if (!record?.sleep) {
    if (await isRunning(dir)) return;
    throw new OpenComputerError("gone", `sandbox ${spec.id} is stopped and does not sleep; create another`);
  }
  const { sleep, layers, env, workdir } = record;
  await deps.disk.assertRoom();
  const memory = sleep.memory !== undefined && (await deps.memories.isUsable(sleep.memory)) ? sleep.memory : undefined;
  await writeSandbox(dir, { ...record, sleep: { ...sleep, waking: true } });
  failpoint("wake.begun");
  let mayHaveRun = false;
  const onBoot = () => {
    mayHaveRun = true;
  };
  try {
    // Once its memory runs, it changes the files that the memory must fit: then there is no way back.
    const patience = memory === undefined ? signal : new AbortController().signal;
    await rm(join(dir, "work"), { recursive: true, force: true });
    const checkpoint = { layers, env, workdir, ...startOf(record) };
    await startSandbox(deps, dir, { ...spec, checkpoint }, { memory, onBoot, onBooted }, patience);
  } catch (error) {
    await endContainer(deps, dir);
    // A memory that ran may not fit the files any more.
    await writeSandbox(dir, { ...record, sleep: mayHaveRun ? asleepAgain(sleep) : sleep });
    throw error;
  }
  failpoint("wake.started");
  await wakeUp(deps, dir, record);
}

async function assertLayers({ layers }: SandboxDeps, keys: readonly string[]): Promise<void> {
  const there = await Promise.all(keys.map((key) => layers.has(key)));
  const missing = keys.filter((_, index) => !there[index]);
  if (missing.length === 0 && keys.length > 0) return;
  const damage = (await Promise.all(missing.map((key) => layers.damageOf(key)))).find((found) => found !== null);
  if (damage) throw damaged(missing, keys.length, damage);
  const message = `the checkpoint is not on this machine: ${missing.length} of its ${keys.length} layers are missing`;
  throw new OpenComputerError("not_found", `${message}; build its image again`, { details: { layers: missing } });
}

function damaged(missing: readonly string[], count: number, damage: string): OpenComputerError {
  const what = `${missing.length} of the ${count} layers of this checkpoint were damaged on the disk`;
  const advice = "build the image that it came from again; where that does not help, take another checkpoint";
  return new OpenComputerError("damaged", `${what}, the first: ${damage}; ${advice}`, { details: { layers: missing } });
}

/** Whether a sandbox that the server knows can stay; brings one that sleeps to rest. */
async function isWell(deps: SandboxDeps, dir: string): Promise<boolean> {
  const record = await readSandbox(dir);
  if (record?.sleep) {
    await settleSleep(deps, dir, record);
    return true;
  }
  // One that stays frozen is not lost: its end, or the next thaw, may be asked for.
  await thaw(deps, dir).catch(() => undefined);
  return (await readContainer(dir))?.runtime === deps.runtime.kind && (await isRunning(dir));
}

/**
 * Ends a sandbox and returns where what is left of it lies. Deleting takes as long as there are files; what is renamed
 * away first is gone for everybody at once, and its id may come again.
 */
async function bury(deps: SandboxDeps, dir: string): Promise<string> {
  await thaw(deps, dir).catch(() => undefined);
  await endContainer(deps, dir);
  const memory = (await readSandbox(dir))?.sleep?.memory;
  if (memory !== undefined) await deps.memories.remove(memory);
  const grave = join(deps.home.active, `gone-${basename(dir)}-${randomBytes(4).toString("hex")}`);
  await rename(dir, grave).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  failpoint("sandbox.buried");
  return grave;
}

async function holdings(dirs: readonly string[]): Promise<SandboxHoldings> {
  const records = await Promise.all(dirs.map(readSandbox));
  const containers = await Promise.all(dirs.map(readContainer));
  return {
    layers: new Set([...records, ...containers].flatMap((record) => record?.layers ?? [])),
    memories: new Set(records.flatMap((record) => record?.sleep?.memory ?? [])),
    slots: new Set(containers.flatMap((record) => (record ? [record.slot] : []))),
  };
}
