import { setTimeout as sleep } from "node:timers/promises";
import type { CheckpointInfo } from "../src/api/records";
import { isOpenComputerError, OpenComputerError } from "../src/errors";
import type { HandlerContext } from "./context";

/** Of a sandbox that nobody knows, there is none. */
export async function findCheckpoint(
  { api, signal }: HandlerContext,
  sandbox: string,
  isWanted: (info: CheckpointInfo) => boolean,
): Promise<CheckpointInfo | undefined> {
  try {
    return (await api.listCheckpoints(sandbox, { signal })).find(isWanted);
  } catch (error) {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  }
}

/** Files and memory of hundreds of gigabytes take minutes. */
const LIMIT_SECONDS = 1_800;
const FIRST_LOOK_DELAY_MS = 50;
const MAX_LOOK_DELAY_MS = 1_000;

/**
 * Waits until a checkpoint that was begun is ready.
 *
 * @throws internal with the server's reason where it failed; not_found where it was deleted meanwhile; timeout, aborted
 */
export async function waitUntilKept(context: HandlerContext, begun: CheckpointInfo): Promise<CheckpointInfo> {
  const { sandboxId, id, name, kind } = begun;
  const limit = AbortSignal.timeout(LIMIT_SECONDS * 1_000);
  const signal = AbortSignal.any([context.signal, limit]);
  if (begun.status === "processing") context.log.status(STATUS[kind]);
  let info: CheckpointInfo | undefined = begun;
  for (let delayMs = FIRST_LOOK_DELAY_MS; ; delayMs = Math.min(2 * delayMs, MAX_LOOK_DELAY_MS)) {
    if (info === undefined) throw deleted(begun);
    if (info.status === "ready") return info;
    if (info.status === "failed") throw failed(info);
    await sleep(delayMs, undefined, { signal }).catch((cause: unknown) => {
      if (!limit.aborted) throw new OpenComputerError("aborted", `keeping checkpoint ${name} was aborted`, { cause });
      throw new OpenComputerError("timeout", `checkpoint ${name} was not ready after ${LIMIT_SECONDS} s`, { cause });
    });
    info = await findCheckpoint(context, sandboxId, (one) => one.id === id);
  }
}

const STATUS = { disk_only: "keeping its files", full: "keeping its files, memory and processes" };

function failed({ name, sandboxId, errorMsg = "the server gave no reason" }: CheckpointInfo): OpenComputerError {
  return new OpenComputerError("internal", `checkpoint ${name} of sandbox ${sandboxId} failed: ${errorMsg}`);
}

function deleted({ name, sandboxId }: CheckpointInfo): OpenComputerError {
  const message = `checkpoint ${name} of sandbox ${sandboxId} was deleted by somebody else before it was ready`;
  return new OpenComputerError("not_found", message);
}
