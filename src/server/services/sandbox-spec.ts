import type { Checkpoint, SandboxSpec } from "../../engines/engine";
import type { SandboxRow } from "../store/store";

/** What a row says of a sandbox as the engine wants it. */
export function toSandboxSpec(
  { id, memoryMB, cpuCount, network }: Pick<SandboxRow, "id" | "memoryMB" | "cpuCount" | "network">,
  checkpoint: Checkpoint,
): SandboxSpec {
  return { id, memoryMB, cpuCount, network, checkpoint };
}
