import { Hono } from "hono";
import { execRequestSchema } from "../../api/schemas";
import { assertNever, fromErrorJson, toErrorJson } from "../../errors";
import { whenAnswered } from "../answered";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readBody } from "../request-body";
import { whenAborted } from "../services/abortable";
import type { CommandState, RunningCommand } from "../services/exec-service";
import { DEFAULT_TIMEOUT_SECONDS } from "../services/exec-spec";
import { toByteStream, withHeartbeat } from "../sse";

/** The official Python client gives up when it reads nothing for 30 s; leading spaces are legal JSON. */
const HEARTBEAT_MS = 15_000;
const QUICK_SECONDS = 30;

/** `/sandboxes/:id/exec`: commands, waited for or asked about. */
export function execRoutes({ exec }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post("/:id/exec/run", async (c) => {
    const answered = whenAnswered(c);
    const request = await readBody(c, execRequestSchema);
    const command = await exec.run(c.get("org"), c.req.param("id"), request, c.req.raw.signal);
    // Who waits is the only one who can have the result; without them the command has no purpose.
    whenAborted(c.req.raw.signal, command.kill);
    void Promise.allSettled([answered, command.result]).then(command.forget);
    const timeout = request.timeout ?? DEFAULT_TIMEOUT_SECONDS;
    if (timeout > 0 && timeout <= QUICK_SECONDS) return c.json(await command.result);
    const body = withHeartbeat(resultText(command), " ", HEARTBEAT_MS);
    return c.body(toByteStream(body, command.kill), 200, { "Content-Type": "application/json" });
  });

  app.post("/:id/exec/run-async", async (c) => {
    const request = await readBody(c, execRequestSchema);
    const state = await exec.start(c.get("org"), c.req.param("id"), request);
    if (state.kind === "over") return c.json(state.result);
    if (state.kind === "failed") throw fromErrorJson(state.error, "internal");
    const startedAt = new Date(state.startedAt).toISOString();
    return c.json({ execId: state.execId, running: true, startedAt }, 202);
  });

  app.get("/:id/exec/:execId/result", async (c) => {
    const state = await exec.poll(c.get("org"), c.req.param("id"), c.req.param("execId"));
    return c.json(toPollBody(state));
  });

  return app;
}

/** The headers are out by now, so a failure is told in the body, as on the wire. */
async function* resultText(command: RunningCommand): AsyncGenerator<string> {
  try {
    yield JSON.stringify(await command.result);
  } catch (error) {
    yield JSON.stringify(toErrorJson(error));
  }
}

function toPollBody(state: CommandState): object {
  switch (state.kind) {
    case "running":
      return { running: true, ...(state.isWaking ? { waking: true } : {}), ...state.output };
    case "over":
      return { running: false, ...state.result };
    case "failed":
      return { running: false, ...state.error, ...state.output };
    default:
      return assertNever(state);
  }
}
