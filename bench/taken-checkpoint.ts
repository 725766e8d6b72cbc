import { setTimeout as sleep } from "node:timers/promises";
import type { ServerApi } from "../src/api/contract";
import type { CheckpointInfo, CheckpointKind } from "../src/api/records";

const TIMEOUT_MS = 300_000;
const POLL_MS = 5;

/** Keeps what a sandbox is, and waits until that is ready. @throws where it fails */
export async function takeCheckpoint(
  api: ServerApi,
  sandboxId: string,
  kind: CheckpointKind,
  signal: AbortSignal,
): Promise<CheckpointInfo> {
  let info = await api.createCheckpoint(sandboxId, { name: `bench-${Date.now()}`, kind }, { signal });
  for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    if (info.status === "ready") return info;
    if (info.status === "failed") throw new Error(`the checkpoint failed: ${info.errorMsg ?? "no reason given"}`);
    info = await api.getCheckpoint(info.id, { signal });
  }
  throw new Error(`the checkpoint is not ready after ${TIMEOUT_MS / 1000} s`);
}
