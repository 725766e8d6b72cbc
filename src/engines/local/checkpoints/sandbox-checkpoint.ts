import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { OpenComputerError } from "../../../errors";
import { failpoint } from "../../../failpoint";
import type { CheckpointKind, TakenCheckpoint } from "../../engine";
import { runCommand } from "../command";
import { isRunning } from "../container";
import { syncDir } from "../durable";
import { makeUpper } from "../layer-store";
import { whileFrozen, whileSaved } from "./freezer";
import type { SandboxDeps } from "./sandbox-deps";
import { readSandbox, type SandboxRecord, type Sleep, startOf, writeSandbox } from "./sandbox-record";
import { settled } from "./settled-sleep";

const COPY_TIMEOUT_MS = 3_600_000;

/** Keeps what the sandbox of a directory is now; see `Engine.checkpoint`. */
export async function takeCheckpoint(
  deps: SandboxDeps,
  dir: string,
  kind: CheckpointKind,
  signal: AbortSignal,
): Promise<TakenCheckpoint> {
  if (kind === "full" && deps.runtime.kind !== "runsc") throw noMemory(deps.runtime.kind);
  const record = await readSandbox(dir);
  if (record?.sleep) return ofSleeping(deps, dir, record, record.sleep, kind);
  if (record && (await isRunning(dir))) return ofRunning(deps, dir, record, kind, signal);
  throw new OpenComputerError("gone", `sandbox ${basename(dir)} is stopped: there is nothing of it to keep`);
}

/** A name that nobody had before: what a sandbox is at some moment is not to be had again. */
export function newKey(): string {
  return randomBytes(32).toString("hex");
}

function noMemory(runtime: string): OpenComputerError {
  const message = `the runtime ${runtime} cannot keep memory and processes; take a disk_only checkpoint, or use runsc`;
  return new OpenComputerError("unsupported", message);
}

/**
 * In one pause: memory, then files. A copy of the files, because a layer must never change, and this writable top goes on
 * changing.
 */
async function ofRunning(
  deps: SandboxDeps,
  dir: string,
  record: SandboxRecord,
  kind: CheckpointKind,
  signal: AbortSignal,
): Promise<TakenCheckpoint> {
  const { layers, memories, runtime } = deps;
  await deps.disk.assertRoom();
  const copy = await layers.begin();
  const image = runtime.kind === "runsc" ? await memories.begin() : null;
  try {
    const keepFiles = () => copyTree(join(dir, "fs"), join(copy, "fs"), signal);
    // Also where only files are wanted: gVisor holds writes back, and hands them on when it saves itself.
    if (image !== null) await whileSaved(deps, dir, image, signal, keepFiles);
    else await whileFrozen(deps, dir, keepFiles);
    failpoint("checkpoint.copied");
    signal.throwIfAborted();
    const [key, memory] = [newKey(), newKey()];
    const keepsMemory = image !== null && kind === "full";
    // What either leaves where the other fails is collected: nothing names it.
    const [filesBytes, memoryBytes] = await Promise.all([
      commitCopy(deps, copy, key),
      keepsMemory ? memories.commit(image, memory, key) : 0,
    ]);
    failpoint("checkpoint.kept");
    const stack = [...record.layers, key];
    return toTaken(record, stack, filesBytes + memoryBytes, keepsMemory ? memory : undefined);
  } catch (error) {
    throw signal.aborted ? new OpenComputerError("aborted", "stopped while a checkpoint was taken") : error;
  } finally {
    await layers.discard(copy);
    if (image !== null) await memories.discard(image);
  }
}

/** Makes a copy the layer of this key; returns its size. */
async function commitCopy({ layers }: SandboxDeps, copy: string, key: string): Promise<number> {
  await layers.commit(copy, key);
  return layers.sizeOf(key);
}

/** As it is: owners, modes, times, links, holes, and what overlayfs keeps in extended attributes and devices. */
async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  const argv = ["-a", "--reflink=auto", "--sparse=auto", `${from}/.`, to];
  await runCommand("cp", argv, { timeoutMs: COPY_TIMEOUT_MS, signal });
}

function toTaken(
  record: SandboxRecord,
  layers: readonly string[],
  sizeBytes: number,
  memory?: string,
): TakenCheckpoint {
  const { env, workdir } = record;
  const kept = memory === undefined ? {} : { memory };
  return { checkpoint: { layers, env, workdir, ...kept, ...startOf(record) }, sizeBytes };
}

/** Its files become a layer by renaming: however many there are, it takes the same time. */
async function ofSleeping(
  deps: SandboxDeps,
  dir: string,
  record: SandboxRecord,
  sleep: Sleep,
  kind: CheckpointKind,
): Promise<TakenCheckpoint> {
  if (kind === "full" && sleep.memory === undefined) {
    const message = `sandbox ${basename(dir)} was hibernated without its memory; take a disk_only checkpoint`;
    throw new OpenComputerError("conflict", message);
  }
  const rested = { ...record, sleep: await settled(deps, dir, { ...record, sleep }) };
  const moved = await moveToLayer(deps, dir, rested);
  if (kind === "disk_only" || sleep.memory === undefined) return toTaken(record, moved.layers, moved.sizeBytes);
  const memory = newKey();
  const held = await deps.memories.share(sleep.memory, memory);
  failpoint("memory.shared");
  return toTaken(record, moved.layers, moved.sizeBytes + held, memory);
}

interface Moved {
  readonly layers: readonly string[];
  readonly sizeBytes: number;
}

/** Crash-safe by what is written down first: {@link finishMove} goes on from any point. */
async function moveToLayer(deps: SandboxDeps, dir: string, record: SandboxRecord): Promise<Moved> {
  if ((await readdir(join(dir, "fs"))).length === 0) return { layers: record.layers, sizeBytes: 0 };
  const moving = newKey();
  await writeSandbox(dir, { ...record, moving });
  failpoint("move.written");
  await mkdir(stageOf(dir, moving));
  await rename(join(dir, "fs"), join(stageOf(dir, moving), "fs"));
  failpoint("move.staged");
  const { layers } = await finishMove(deps, dir, { ...record, moving }, moving);
  return { layers, sizeBytes: await deps.layers.sizeOf(moving) };
}

/** Brings a move to its end that was cut off anywhere, or undoes it where it had not begun. */
export async function finishMove(
  deps: SandboxDeps,
  dir: string,
  { moving: _, ...record }: SandboxRecord,
  key: string,
): Promise<SandboxRecord> {
  const stage = stageOf(dir, key);
  const staged = (await readdir(stage).catch((): string[] => [])).includes("fs");
  if (staged) await deps.layers.adopt(stage, key, record.sleep?.filesBytes ?? 0);
  const moved = await deps.layers.has(key);
  failpoint("move.layered");
  if (moved) await makeUpper(dir);
  else await rm(stage, { recursive: true, force: true });
  await syncDir(dir);
  const sleep = record.sleep && { ...record.sleep, filesBytes: 0 };
  const after = moved ? { ...record, sleep, layers: [...record.layers, key] } : record;
  await writeSandbox(dir, after);
  return after;
}

const stageOf = (dir: string, key: string) => join(dir, `layer-${key}`);
