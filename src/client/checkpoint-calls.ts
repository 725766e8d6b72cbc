import { z } from "zod";
import { checkpointInfoSchema, forkResultSchema, hibernationInfoSchema } from "../api/checkpoint-schemas";
import type { CallOptions, ServerApi } from "../api/contract";
import type { SandboxInfo } from "../api/records";
import { routes } from "../api/routes";
import { isOpenComputerError, OpenComputerError } from "../errors";
import { pause } from "./pause";
import { completeSandbox, sandboxAnswerSchema } from "./sandbox-answer";
import { START_SILENCE_MS, type Transport } from "./transport";

type CheckpointCalls = Pick<
  ServerApi,
  | "hibernateSandbox"
  | "wakeSandbox"
  | "createCheckpoint"
  | "listCheckpoints"
  | "listAllCheckpoints"
  | "getCheckpoint"
  | "restoreCheckpoint"
  | "deleteCheckpoint"
  | "createSandboxFromCheckpoint"
  | "forkSandbox"
>;

export interface CheckpointCallOptions {
  /** Those that put right what comes out other than it was wanted. */
  readonly sandboxes: Pick<ServerApi, "setSandboxTags" | "killSandbox">;
  readonly onWarning: (message: string) => void;
}

/** Up to 100 sandboxes start before the answer comes. */
const FORK_SILENCE_MS = 600_000;
const RESTORE_TIMEOUT_MS = START_SILENCE_MS;
const FIRST_LOOK_DELAY_MS = 20;
const MAX_LOOK_DELAY_MS = 1_000;
const ENDED: ReadonlySet<string> = new Set(["stopped", "error", "failed"]);

/** The part of the API that is about what sandboxes were: checkpoints, forks, and sleep. */
export function createCheckpointCalls(transport: Transport, options: CheckpointCallOptions): CheckpointCalls {
  const { sandboxes, onWarning } = options;
  return {
    ...createSleepCalls(transport),
    createCheckpoint: (id, request, call) =>
      transport.json(checkpointInfoSchema, { method: "POST", path: routes.checkpoints(id), json: request, ...call }),
    listCheckpoints: (id, call) => list(transport, routes.checkpoints(id), call),
    listAllCheckpoints: (call) => list(transport, routes.allCheckpoints, call),
    getCheckpoint: (checkpointId, call) =>
      transport.json(checkpointInfoSchema, { method: "GET", path: routes.checkpoint(checkpointId), ...call }),
    restoreCheckpoint: async (id, checkpointId, call = {}) => {
      const begin = { method: "POST", path: routes.checkpointRestore(id, checkpointId) } as const;
      // It waits for its turn behind what was asked for before.
      await transport.send({ ...begin, silenceTimeoutMs: START_SILENCE_MS, ...call });
      return waitUntilRestored(transport, id, checkpointId, call);
    },
    deleteCheckpoint: async (id, checkpointId, call) => {
      try {
        await transport.send({ method: "DELETE", path: routes.sandboxCheckpoint(id, checkpointId), ...call });
      } catch (error) {
        if (!isOpenComputerError(error, "not_found")) throw error;
      }
    },
    createSandboxFromCheckpoint: async (checkpointId, json, { signal } = {}) => {
      const call = { method: "POST", path: routes.fromCheckpoint(checkpointId), json, signal } as const;
      const info = await transport.json(sandboxAnswerSchema, { ...call, silenceTimeoutMs: START_SILENCE_MS });
      const { tags } = json;
      return completeSandbox(info, { tags, fromImage: true }, { calls: sandboxes, onWarning, signal });
    },
    forkSandbox: (id, json, call) =>
      transport.json(z.array(forkResultSchema), {
        ...{ method: "POST", path: routes.sandboxFork(id), json, silenceTimeoutMs: FORK_SILENCE_MS },
        ...call,
      }),
  };
}

function createSleepCalls(transport: Transport): Pick<CheckpointCalls, "hibernateSandbox" | "wakeSandbox"> {
  return {
    hibernateSandbox: (id, call) =>
      transport.json(hibernationInfoSchema, {
        ...{ method: "POST", path: routes.sandboxHibernate(id), idempotent: true, silenceTimeoutMs: START_SILENCE_MS },
        ...call,
      }),
    wakeSandbox: (id, timeout, call) =>
      transport.json(sandboxAnswerSchema, {
        ...{ method: "POST", path: routes.sandboxWake(id), silenceTimeoutMs: START_SILENCE_MS },
        json: timeout === undefined ? {} : { timeout },
        ...call,
      }),
  };
}

async function list(transport: Transport, path: string, call: CallOptions | undefined) {
  return (await transport.json(z.array(checkpointInfoSchema).nullable(), { method: "GET", path, ...call })) ?? [];
}

/** The wire answers as soon as a restore was begun. @throws gone where it failed, timeout */
async function waitUntilRestored(
  transport: Transport,
  id: string,
  checkpointId: string,
  { signal }: CallOptions,
): Promise<SandboxInfo> {
  const what = `sandbox ${id} to go back to checkpoint ${checkpointId}`;
  // Our server answers this when it is over.
  const look = { method: "GET", path: routes.sandbox(id), silenceTimeoutMs: START_SILENCE_MS, signal } as const;
  const deadline = performance.now() + RESTORE_TIMEOUT_MS;
  for (let delayMs = FIRST_LOOK_DELAY_MS; ; delayMs = Math.min(delayMs * 2, MAX_LOOK_DELAY_MS)) {
    const info = await transport.json(sandboxAnswerSchema, look);
    if (info.status === "running") return info;
    if (ENDED.has(info.status)) {
      const message = `sandbox ${id} could not be put back to checkpoint ${checkpointId} and is ${info.status}`;
      throw new OpenComputerError("gone", `${message}; start another one from the checkpoint`);
    }
    if (performance.now() > deadline) {
      const message = `sandbox ${id} was not back at checkpoint ${checkpointId} after ${RESTORE_TIMEOUT_MS / 1000} s`;
      throw new OpenComputerError("timeout", `${message} (it is ${info.status}); look at the server's log`);
    }
    await pause(delayMs, signal, what);
  }
}
