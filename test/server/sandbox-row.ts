import type { SandboxRow } from "../../src/server/store/store";

/** A row of a running sandbox of nothing special. */
export function sandboxRow(id: string, more: Partial<SandboxRow> = {}): SandboxRow {
  return {
    ...{
      id,
      status: "running",
      checkpointId: "c",
      snapshot: null,
      snapshotId: null,
      snapshotVersion: null,
      envs: {},
      metadata: {},
    },
    ...{ memoryMB: 64, cpuCount: 0.5, timeoutSeconds: 0, deadline: null, startedAt: 1, stoppedAt: null },
    ...{
      tags: {},
      tagsUpdatedAt: null,
      network: "egress",
      owner: null,
      restoringTo: null,
      diskMB: null,
      stopReason: null,
    },
    ...more,
  };
}
