import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Api, CallOptions } from "../api/contract";
import type { ExecRequest, ExecResult } from "../api/records";
import { routes } from "../api/routes";
import { execProgressSchema, execResultSchema, execStartedSchema } from "../api/schemas";
import { ERROR_CODES, fromErrorJson, OpenComputerError } from "../errors";
import { START_SILENCE_MS, type Transport } from "./transport";

const FIRST_POLL_DELAY_MS = 50;
const MAX_POLL_DELAY_MS = 2_000;
/** A command for a hibernated sandbox is answered when that has been woken. */
const WAKING = { silenceTimeoutMs: START_SILENCE_MS } as const;

/** A command that was quick is answered at once; for the others there is an id to ask for. */
const runAnswerSchema = z.union([execStartedSchema, execResultSchema]);
/** Once the answer has begun, a failure can only be told in its body. */
const attachedAnswerSchema = z.union([
  execResultSchema,
  z.object({ error: z.string(), code: z.enum(ERROR_CODES).default("internal") }),
]);

/** The part of the API that runs commands. */
export function createExecCalls(transport: Transport): Pick<Api, "exec"> {
  return {
    exec: (id, request, { attached = false, ...options } = {}) =>
      attached ? runAttached(transport, id, request, options) : runDetached(transport, id, request, options),
  };
}

/** One call as long as the command: the server ends the command when the connection goes. */
async function runAttached(
  transport: Transport,
  id: string,
  request: ExecRequest,
  { signal }: CallOptions,
): Promise<ExecResult> {
  const call = { method: "POST", path: routes.execRun(id), json: request, ...WAKING, signal } as const;
  const answer = await transport.json(attachedAnswerSchema, call);
  if ("error" in answer) throw fromErrorJson(answer, answer.code);
  return answer;
}

/** Started with one call and waited for with short ones, so that no proxy gives up. */
async function runDetached(
  transport: Transport,
  id: string,
  request: ExecRequest,
  { signal }: CallOptions,
): Promise<ExecResult> {
  const call = { method: "POST", path: routes.execRunAsync(id), json: request, ...WAKING, signal } as const;
  const answer = await transport.json(runAnswerSchema, call);
  if (!("execId" in answer)) return answer;
  const { execId } = answer;
  try {
    return await waitForResult(transport, id, execId, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
    const message = `waiting for the command was aborted; it goes on in sandbox ${id} until its own timeout`;
    throw new OpenComputerError("aborted", message, { details: { execId }, cause: error });
  }
}

async function waitForResult(
  transport: Transport,
  id: string,
  execId: string,
  signal?: AbortSignal,
): Promise<ExecResult> {
  for (let delayMs = FIRST_POLL_DELAY_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_DELAY_MS)) {
    const call = { method: "GET", path: routes.execResult(id, execId), signal } as const;
    const { running, error, code, exitCode = 0, ...output } = await transport.json(execProgressSchema, call);
    if (error) throw fromErrorJson({ error, ...(code ? { code } : {}), details: { execId } }, "internal");
    if (!running) return { exitCode, ...output };
    await sleep(delayMs, undefined, signal ? { signal } : {});
  }
}
