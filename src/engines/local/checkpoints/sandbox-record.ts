import { join } from "node:path";
import { z } from "zod";
import type { StartCommand } from "../../engine";
import { syncDir } from "../durable";
import { readRecordFile, writePassingRecord, writeRecordFile } from "../record-file";

const startSchema = z.object({
  command: z.string(),
  readyCommand: z.string().optional(),
  readyTimeoutMs: z.number(),
});

const sleepSchema = z.object({
  kind: z.enum(["disk_only", "full"]),
  /** Key of the memory image that it goes on from. */
  memory: z.string().optional(),
  /** What its files and its memory take on disk; the former is right once it is settled. */
  filesBytes: z.number(),
  memoryBytes: z.number(),
  /** Whether all that it wrote is on disk and nothing of its container is left. */
  settled: z.boolean(),
  /** Whether somebody is about to bring it back: where that was cut off, its memory may not fit its files any more. */
  waking: z.boolean(),
});

const recordSchema = z.object({
  /** Keys of the layers that it stands on, lowest first. */
  layers: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  workdir: z.string().nullable(),
  start: startSchema.optional(),
  /** What it may write, in MiB; absent: the engine's quota. */
  diskMB: z.int().optional(),
  /** Set where the engine ended it: why. */
  stopped: z.string().optional(),
  /** Set while it is hibernated. */
  sleep: sleepSchema.optional(),
  /** Key of the layer that its files are just becoming. */
  moving: z.string().optional(),
});

/** What is written down about a sandbox, in its directory: what it stands on, and how it sleeps. */
export type SandboxRecord = z.infer<typeof recordSchema>;
export type Sleep = z.infer<typeof sleepSchema>;

/** The record of a sandbox's directory; null where there is none that can be read. */
export async function readSandbox(dir: string): Promise<SandboxRecord | null> {
  return readRecordFile(recordFile(dir), recordSchema);
}

/** Whole or not at all, and on disk when this resolves. */
export async function writeSandbox(dir: string, record: SandboxRecord): Promise<void> {
  await writeRecordFile(recordFile(dir), record);
  await syncDir(dir);
}

/** For one that runs, which no power cut survives anyway. */
export async function writeRunningSandbox(dir: string, { sleep: _, ...record }: SandboxRecord): Promise<void> {
  await writePassingRecord(recordFile(dir), record);
}

const recordFile = (dir: string) => join(dir, "sandbox.json");

/** What it starts where it boots; a part of its checkpoints. */
export function startOf({ start }: SandboxRecord): { readonly start?: StartCommand } {
  if (!start) return {};
  const { command, readyCommand, readyTimeoutMs } = start;
  return { start: { command, readyTimeoutMs, ...(readyCommand === undefined ? {} : { readyCommand }) } };
}
