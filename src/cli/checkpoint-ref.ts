import type { ServerApi } from "../api/contract";
import type { CheckpointInfo } from "../api/records";
import { OpenComputerError } from "../errors";

/** One checkpoint as the command line names it: `sb-1a2b3c4d/before-upgrade`. */
export interface CheckpointRef {
  readonly sandboxId: string;
  /** Its name or its id. */
  readonly name: string;
}

/** Undefined for what is a sandbox, a snapshot or a version: none of them holds a `/`. A checkpoint's name may. */
export function toCheckpointRef(text: string): CheckpointRef | undefined {
  const [, sandboxId, name] = /^([^/]+)\/(.+)$/.exec(text) ?? [];
  return sandboxId === undefined || name === undefined ? undefined : { sandboxId, name };
}

/** The checkpoint of that name or id, undefined where the sandbox has none such. @throws not_found for the sandbox */
export async function findCheckpoint(
  api: ServerApi,
  { sandboxId, name }: CheckpointRef,
  signal: AbortSignal,
): Promise<CheckpointInfo | undefined> {
  const all = await api.listCheckpoints(sandboxId, { signal });
  return all.find((one) => one.id === name) ?? all.find((one) => one.name === name);
}

/** As {@link findCheckpoint}. @throws not_found where the sandbox has none such */
export async function requireCheckpoint(
  api: ServerApi,
  ref: CheckpointRef,
  signal: AbortSignal,
): Promise<CheckpointInfo> {
  const info = await findCheckpoint(api, ref, signal);
  if (info) return info;
  throw new OpenComputerError("not_found", `checkpoint not found: ${ref.name} of sandbox ${ref.sandboxId}`, {
    details: { hint: `see what there is with: pulumi-opencomputer checkpoints ${ref.sandboxId}` },
  });
}
