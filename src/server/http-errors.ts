import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ErrorCode, invalidInput, isOpenComputerError, OpenComputerError, toErrorJson } from "../errors";
import type { Log } from "./log";

/** Which HTTP status each of our errors has; the body says the code itself. */
export const STATUS_BY_CODE: Readonly<Record<ErrorCode, ContentfulStatusCode>> = {
  invalid_input: 400,
  unauthorized: 401,
  not_found: 404,
  conflict: 409,
  gone: 410,
  build_failed: 422,
  build_cancelled: 409,
  file_changed: 409,
  blob_missing: 422,
  timeout: 504,
  // Nobody reads this answer: the caller has left.
  aborted: 400,
  unavailable: 503,
  quota_exceeded: 429,
  insufficient_storage: 507,
  damaged: 410,
  unsupported: 501,
  requirement_missing: 503,
  protocol: 502,
  internal: 500,
};

/** Turns whatever a route threw into the wire's `{error, code, details}`; what is not ours is logged and kept inside. */
export function answerError(log: Log) {
  return (thrown: unknown, c: Context): Response => {
    const error = thrown instanceof HTTPException ? toOurs(thrown) : thrown;
    if (!isOpenComputerError(error) && !c.req.raw.signal.aborted) {
      log.error({ err: error, method: c.req.method, path: c.req.path }, "a request broke");
    }
    const body = toErrorJson(error);
    const status = thrown instanceof HTTPException ? thrown.status : STATUS_BY_CODE[body.code ?? "internal"];
    return c.json(body, status, body.code === "quota_exceeded" ? { "Retry-After": "1" } : {});
  };
}

/** The answer for a path that is none of ours. */
export function answerUnknownRoute(c: Context): Response {
  const error = new OpenComputerError("not_found", `no such endpoint: ${c.req.method} ${c.req.path}`);
  return c.json(error.toJSON(), STATUS_BY_CODE.not_found);
}

/** Ours where a status says more than the code of an error does; Hono's own else. */
function toOurs(thrown: HTTPException): unknown {
  if (isOpenComputerError(thrown.cause)) return thrown.cause;
  return thrown.status < 500 ? invalidInput("the request", [{ path: "", message: thrown.message }]) : thrown;
}
