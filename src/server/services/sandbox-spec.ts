import type { Checkpoint, SandboxSpec } from "../../engines/engine";
import type { SandboxRow } from "../store/store";

/** What a row says of a sandbox as the engine wants it. */
export function toSandboxSpec(
  { id, memoryMB, cpuCount, diskMB, network }: Pick<SandboxRow, "id" | "memoryMB" | "cpuCount" | "diskMB" | "network">,
  checkpoint: Checkpoint,
): SandboxSpec {
  return { id, memoryMB, cpuCount, ...(diskMB === null ? {} : { diskMB }), network, checkpoint };
}
