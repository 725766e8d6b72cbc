import type { SandboxInfo } from "../../api/records";
import type { SandboxService } from "../services/sandbox-service";
import type { SandboxRow } from "../store/store";

/** A sandbox on the wire. */
export function toSandboxInfo({ life }: SandboxService, row: SandboxRow): SandboxInfo {
  const deadline = life.state.deadlineOf(row);
  return {
    ...{ sandboxID: row.id, status: row.status, templateID: "base", fromCheckpointId: row.checkpointId },
    ...(row.snapshot === null ? {} : { snapshot: row.snapshot }),
    ...{ metadata: row.metadata, cpuCount: row.cpuCount, memoryMB: row.memoryMB, timeout: row.timeoutSeconds },
    ...(row.diskMB === null ? {} : { diskMB: row.diskMB }),
    ...(row.stopReason === null ? {} : { stopReason: row.stopReason }),
    ...{ tags: row.tags, network: row.network, ...(row.owner === null ? {} : { owner: row.owner }) },
    startedAt: new Date(row.startedAt).toISOString(),
    ...(deadline === null ? {} : { endAt: new Date(deadline).toISOString() }),
  };
}
