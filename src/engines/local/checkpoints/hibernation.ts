import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { OpenComputerError } from "../../../errors";
import { failpoint } from "../../../failpoint";
import type { Hibernated } from "../../engine";
import { endContainer, isRunning, readContainer } from "../container";
import { thaw, whileSaved } from "./freezer";
import { finishMove } from "./sandbox-checkpoint";
import type { SandboxDeps } from "./sandbox-deps";
import { readSandbox, type SandboxRecord, type Sleep, writeRunningSandbox, writeSandbox } from "./sandbox-record";
import { settle, settled } from "./settled-sleep";

/**
 * How a sandbox falls asleep: its memory is kept where the runtime can; then it is written down that it sleeps, and only
 * then its container ends. So a server that is killed on the way leaves one that runs, or one that {@link settleSleep}
 * brings to rest.
 */
export async function hibernate(deps: SandboxDeps, dir: string, signal: AbortSignal): Promise<Hibernated> {
  const record = await readSandbox(dir);
  if (record?.sleep) return toHibernated(await settled(deps, dir, { ...record, sleep: record.sleep }));
  if (!record || !(await isRunning(dir))) {
    throw new OpenComputerError("gone", `sandbox ${basename(dir)} is stopped: there is nothing to hibernate`);
  }
  const asleep = { kind: "disk_only", filesBytes: 0, memoryBytes: 0, settled: false, waking: false } as const;
  const { sleep } =
    deps.runtime.kind === "runsc"
      ? await keepMemory(deps, dir, { ...record, sleep: asleep }, signal)
      : await fallAsleep(dir, { ...record, sleep: asleep });
  return toHibernated(await settle(deps, dir, { ...record, sleep }));
}

async function keepMemory(
  deps: SandboxDeps,
  dir: string,
  record: SandboxRecord & { readonly sleep: Sleep },
  signal: AbortSignal,
): Promise<{ sleep: Sleep }> {
  const { memories } = deps;
  const image = await memories.begin();
  try {
    return await whileSaved(deps, dir, image, signal, async () => {
      signal.throwIfAborted();
      const memory = `sleep-${randomBytes(16).toString("hex")}`;
      const memoryBytes = await memories.commit(image, memory, null);
      const asleep = await fallAsleep(dir, {
        ...record,
        sleep: { ...record.sleep, kind: "full", memory, memoryBytes },
      });
      // What it did from here on would be lost.
      await endContainer(deps, dir);
      failpoint("sleep.ended");
      return asleep;
    });
  } catch (error) {
    throw signal.aborted ? new OpenComputerError("aborted", "stopped before the sandbox was hibernated") : error;
  } finally {
    await memories.discard(image);
  }
}

async function fallAsleep<T extends SandboxRecord>(dir: string, record: T): Promise<T> {
  await writeSandbox(dir, record);
  failpoint("sleep.written");
  return record;
}

function toHibernated({ kind, filesBytes, memoryBytes }: Sleep): Hibernated {
  return { kind, sizeBytes: filesBytes + memoryBytes };
}

/**
 * Brings a sandbox to rest whose server was killed while it fell asleep, woke up or was checkpointed. One that was about to
 * wake runs; or its memory is given up, because its files may have gone on without it.
 */
export async function settleSleep(deps: SandboxDeps, dir: string, record: SandboxRecord): Promise<void> {
  if (!record.sleep) return;
  const { waking } = record.sleep;
  if (waking && (await isRunning(dir)) && (await readContainer(dir))?.runtime === deps.runtime.kind) {
    await thaw(deps, dir);
    return wakeUp(deps, dir, record);
  }
  // Before anything lets it run on: its files are those of the moment at which its memory was kept.
  await endContainer(deps, dir);
  await thaw(deps, dir);
  const rested = waking
    ? await settle(deps, dir, { ...record, sleep: asleepAgain(record.sleep) })
    : await settled(deps, dir, { ...record, sleep: record.sleep });
  if (record.moving !== undefined) await finishMove(deps, dir, { ...record, sleep: rested }, record.moving);
}

/** After an attempt to wake it of which nobody can say how far it came. */
export function asleepAgain({ memory: _, ...sleep }: Sleep): Sleep {
  return { ...sleep, kind: "disk_only", memoryBytes: 0, settled: false, waking: false };
}

/** Writes down that it runs again. Its memory image belongs to nobody then. */
export async function wakeUp(deps: SandboxDeps, dir: string, record: SandboxRecord): Promise<void> {
  await writeRunningSandbox(dir, record);
  failpoint("wake.written");
  if (record.sleep?.memory !== undefined) await deps.memories.remove(record.sleep.memory);
}
