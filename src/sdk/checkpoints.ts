import type { Api, CreateCheckpointRequest } from "../api/contract";
import type { CheckpointInfo, CheckpointKind, CheckpointRetention } from "../api/records";
import { OpenComputerError } from "../errors";
import { poll, type WaitForReadyOpts } from "./poll";

export interface CreateCheckpointOptions {
  /** `full` also keeps memory and processes, where the server can. Default `disk_only`. */
  readonly kind?: CheckpointKind;
  /** What happens at the limit of 10 `full` and 100 `disk_only` checkpoints a sandbox. Default: an error. */
  readonly retentionPolicy?: CheckpointRetention;
  /** The hosted service makes a full one of a disk_only one later; here one stays what it was asked to be. */
  readonly promoteToFull?: false;
}

const FIRST_POLL_MS = 50;

/** The request that options stand for. @throws unsupported for `promoteToFull` */
export function toCheckpointRequest(name: string, options: CreateCheckpointOptions): CreateCheckpointRequest {
  const { kind, retentionPolicy, promoteToFull } = options;
  if (promoteToFull) {
    const message = 'createCheckpoint does not support promoteToFull; ask for kind "full" at once';
    throw new OpenComputerError("unsupported", message);
  }
  return { name, ...(kind ? { kind } : {}), ...(retentionPolicy ? { retentionPolicy } : {}) };
}

/**
 * Waits until a checkpoint is kept.
 *
 * @throws internal with the server's reason where it failed; not_found, timeout, aborted
 */
export function waitForCheckpoint(
  api: Api,
  sandboxId: string,
  checkpointId: string,
  options: WaitForReadyOpts = {},
): Promise<CheckpointInfo> {
  const { signal } = options;
  const look = async () => {
    const all = await api.listCheckpoints(sandboxId, signal ? { signal } : {});
    const info = all.find(({ id }) => id === checkpointId);
    if (info) return readyOnly(info);
    throw new OpenComputerError("not_found", `checkpoint not found: ${checkpointId} of sandbox ${sandboxId}`);
  };
  return poll(`checkpoint ${checkpointId}`, look, options, FIRST_POLL_MS);
}

function readyOnly(info: CheckpointInfo): CheckpointInfo | undefined {
  if (info.status !== "failed") return info.status === "ready" ? info : undefined;
  const reason = info.errorMsg ?? "no reason given";
  throw new OpenComputerError("internal", `checkpoint ${info.name} of sandbox ${info.sandboxId} failed: ${reason}`);
}
