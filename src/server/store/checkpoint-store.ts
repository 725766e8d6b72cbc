import type { CheckpointKind, NetworkPolicy } from "../../engines/engine";
import type { ErrorJson } from "../../errors";
import type { CheckpointRow } from "./store";

/**
 * The checkpoints that people took of sandboxes of one organisation.
 *
 *   reserve → `processing` → complete → `ready`, and what makes way for it is gone
 *                          → fail     → `failed`, until one of the same name is taken
 *
 * Every method is one transaction. What a checkpoint kept outlives it where a sandbox stands on it.
 */
export interface CheckpointStore {
  /**
   * Writes down that a checkpoint is being taken.
   *
   * @throws conflict where the sandbox has one of that name; invalid_input where there is no room and none can make way
   */
  reserve(row: SandboxCheckpointRow, room: CheckpointRoom): Promise<void>;
  /** Notes what was kept. False where it was deleted meanwhile. */
  complete(id: string, kept: KeptCheckpoint, room: CheckpointRoom): Promise<boolean>;
  /** Notes why there is none. */
  fail(id: string, error: ErrorJson, now: number): Promise<void>;
  get(id: string): Promise<SandboxCheckpointRow | undefined>;
  /** Of one sandbox or, without, of all; newest first. */
  list(sandboxId?: string): Promise<SandboxCheckpointRow[]>;
  /** False where there was none. */
  delete(id: string): Promise<boolean>;
}

/** A checkpoint as people see it. One that is ready has a {@link CheckpointRow} of the same id. */
export interface SandboxCheckpointRow {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly kind: CheckpointKind;
  readonly status: "processing" | "ready" | "failed";
  readonly sizeBytes: number;
  /** Why it failed. */
  readonly error: ErrorJson | null;
  /** What the sandbox had: the sandbox may be gone when another is started from it. */
  readonly source: CheckpointSource;
  /** Who asked for it, in the asker's own words. */
  readonly owner: string | null;
  readonly createdAt: number;
  readonly failedAt: number | null;
}

/** What a sandbox hands on to those that start from it. */
export interface CheckpointSource {
  readonly envs: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly memoryMB: number;
  /** Absent in what was written before there were quotas. */
  readonly diskMB?: number | null;
  readonly cpuCount: number;
  readonly network: NetworkPolicy;
}

/** How many checkpoints of a kind a sandbox may have, and whether the oldest make way for the next. */
export interface CheckpointRoom {
  readonly max: number;
  readonly deleteOldest: boolean;
}

/** What the engine kept. */
export interface KeptCheckpoint {
  readonly checkpoint: CheckpointRow;
  readonly sizeBytes: number;
}
