import type { CheckpointRoom, SandboxCheckpointRow } from "../../src/server/store/checkpoint-store";

/** Room for all that a test takes. */
export const ROOM: CheckpointRoom = { max: 100, deleteOldest: false };

/** A row of a checkpoint that is being taken of sandbox `sb`; its name is its id. */
export function takenCheckpoint(id: string, more: Partial<SandboxCheckpointRow> = {}): SandboxCheckpointRow {
  return {
    ...{ id, sandboxId: "sb", name: id, kind: "disk_only", status: "processing", sizeBytes: 0, error: null },
    source: { envs: { A: "1" }, metadata: {}, memoryMB: 64, cpuCount: 0.5, network: "egress" },
    ...{ owner: null, createdAt: 1, failedAt: null },
    ...more,
  };
}
