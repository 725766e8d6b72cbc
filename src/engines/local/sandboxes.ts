import { randomBytes } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { ExecSpec, Execution, SandboxSpec } from "../engine";
import { type ContainerDeps, endContainer, isRunning, readContainer, startContainer } from "./container";
import { execInContainer } from "./container-exec";
import { assertPlainId } from "./home";
import { makeUpper } from "./layer-store";

const SANDBOX_PIDS = 512;

/**
 * The life of sandboxes. Each is a directory below the home that holds all it wrote; the container over it can be found
 * and ended from what stands there, by this server or by the next.
 */
export interface Sandboxes {
  create(spec: SandboxSpec, signal: AbortSignal): Promise<void>;
  status(id: string): Promise<"running" | "stopped">;
  exec(id: string, spec: ExecSpec): Promise<Execution>;
  destroy(id: string): Promise<void>;
  /** Destroys all sandboxes but these, and these, too, where they do not run or another runtime runs them. */
  reconcile(known: ReadonlySet<string>): Promise<void>;
  /** Layers and network slots that sandboxes stand on. */
  inUse(): Promise<{ layers: ReadonlySet<string>; slots: ReadonlySet<number> }>;
}

/** The sandboxes of a home. */
export function createSandboxes(deps: ContainerDeps): Sandboxes {
  const dirOf = (id: string) => join(deps.home.sandboxes, assertPlainId(id));
  const burials = new Map<string, Promise<string>>();
  // Whoever comes while one is at it waits for that one.
  const destroy = async (dir: string) => {
    const burial = burials.get(dir) ?? bury(deps, dir).finally(() => burials.delete(dir));
    burials.set(dir, burial);
    await rm(await burial, { recursive: true, force: true });
  };
  const all = async () => (await readdir(deps.home.sandboxes)).map((name) => join(deps.home.sandboxes, name));
  return {
    async create(spec, signal) {
      const dir = dirOf(spec.id);
      await assertFree(dir, spec.id);
      try {
        await createSandbox(deps, dir, spec, signal);
      } catch (error) {
        await destroy(dir);
        throw error;
      }
    },
    status: async (id) => ((await isRunning(dirOf(id))) ? "running" : "stopped"),
    async exec(id, spec) {
      const dir = dirOf(id);
      if (await isRunning(dir)) return execInContainer(deps, dir, spec);
      throw new OpenComputerError("gone", `sandbox ${id} is not running; create another`);
    },
    destroy: (id) => destroy(dirOf(id)),
    async reconcile(known) {
      for (const dir of await all()) {
        const ours = (await readContainer(dir))?.runtime === deps.runtime.kind;
        if (!known.has(basename(dir)) || !ours || !(await isRunning(dir))) await destroy(dir);
      }
    },
    async inUse() {
      const records = await Promise.all((await all()).map(readContainer));
      const layers = new Set(records.flatMap((record) => record?.layers ?? []));
      const slots = new Set(records.flatMap((record) => (record ? [record.slot] : [])));
      return { layers, slots };
    },
  };
}

async function assertFree(dir: string, id: string): Promise<void> {
  if ((await readdir(dir).catch(() => null)) === null) return;
  throw new OpenComputerError("conflict", `there is a sandbox ${id} already; choose another id`);
}

async function createSandbox(deps: ContainerDeps, dir: string, spec: SandboxSpec, signal: AbortSignal): Promise<void> {
  const { id, checkpoint, memoryMB, cpuCount, network = "egress" } = spec;
  const unpin = deps.layers.pin(checkpoint.layers);
  try {
    await assertLayers(deps, checkpoint.layers);
    await makeUpper(dir);
    const limits = { memoryBytes: memoryMB * 1024 * 1024, cpuCount, pids: SANDBOX_PIDS };
    await startContainer(deps, { dir, layers: checkpoint.layers, hostname: id, limits, network }, signal);
  } finally {
    unpin();
  }
}

async function assertLayers({ layers }: ContainerDeps, keys: readonly string[]): Promise<void> {
  const there = await Promise.all(keys.map((key) => layers.has(key)));
  const missing = keys.filter((_, index) => !there[index]);
  if (missing.length === 0 && keys.length > 0) return;
  const message = `the checkpoint is not on this machine: ${missing.length} of its ${keys.length} layers are missing`;
  throw new OpenComputerError("not_found", `${message}; build its image again`, { details: { layers: missing } });
}

/**
 * Ends a sandbox and returns where what is left of it lies. Deleting takes as long as there are files; what is renamed
 * away first is gone for everybody at once, and its id may come again.
 */
async function bury(deps: ContainerDeps, dir: string): Promise<string> {
  await endContainer(deps, dir);
  const grave = join(deps.home.active, `gone-${basename(dir)}-${randomBytes(4).toString("hex")}`);
  await rename(dir, grave).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  return grave;
}
