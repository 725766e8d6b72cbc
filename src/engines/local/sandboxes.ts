import { randomBytes } from "node:crypto";
import { readdir, rename } from "node:fs/promises";
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
  TakenCheckpoint,
} from "../engine";
import { thaw } from "./checkpoints/freezer";
import { hibernate, settleSleep } from "./checkpoints/hibernation";
import { takeCheckpoint } from "./checkpoints/sandbox-checkpoint";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";
import { readSandbox } from "./checkpoints/sandbox-record";
import { Transitions } from "./checkpoints/transitions";
import { endContainer, isRunning, readContainer } from "./container";
import { execInContainer } from "./container-exec";
import { diskUsersAmong } from "./disk-sandboxes";
import type { DiskUser } from "./disk-watch";
import { assertPlainId } from "./home";
import { createRemovals } from "./removals";
import { createSandbox } from "./sandbox-start";
import { wakeSandbox } from "./sandbox-wake";
import { whileStartable } from "./startable";

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
