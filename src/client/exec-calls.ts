import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Api, CallOptions } from "../api/contract";
import { routes } from "../api/routes";
import { type ExecResult, execProgressSchema, execResultSchema, execStartedSchema } from "../api/schemas";
import { OpenComputerError } from "../errors";
import type { Transport } from "./transport";

const FIRST_POLL_DELAY_MS = 50;
const MAX_POLL_DELAY_MS = 2_000;

/** A command that was quick is answered at once; for the others there is an id to ask for. */
const runAnswerSchema = z.union([execStartedSchema, execResultSchema]);

/** The part of the API that runs commands: started with one call, waited for with short ones, so that no proxy gives up. */
export function createExecCalls(transport: Transport): Pick<Api, "exec"> {
  return {
    async exec(id, request, options = {}) {
      const call = { method: "POST", path: routes.execRunAsync(id), json: request, signal: options.signal } as const;
      const answer = await transport.json(runAnswerSchema, call);
      return "execId" in answer ? waitForResult(transport, id, answer.execId, options) : answer;
    },
  };
}

async function waitForResult(
  transport: Transport,
  id: string,
  execId: string,
  { signal }: CallOptions,
): Promise<ExecResult> {
  try {
    for (let delayMs = FIRST_POLL_DELAY_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_DELAY_MS)) {
      const call = { method: "GET", path: routes.execResult(id, execId), signal } as const;
      const { running, error, exitCode = 0, ...output } = await transport.json(execProgressSchema, call);
      if (error)
        throw new OpenComputerError("internal", `the command could not be run: ${error}`, { details: { execId } });
      if (!running) return { exitCode, ...output };
      await sleep(delayMs, undefined, signal ? { signal } : {});
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
    const message = `waiting for the command was aborted; it goes on in sandbox ${id} until its own timeout`;
    throw new OpenComputerError("aborted", message, { details: { execId }, cause: error });
  }
}
