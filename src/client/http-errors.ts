import { z } from "zod";
import { ERROR_CODES, type ErrorCode, type ErrorJson, fromErrorJson, OpenComputerError } from "../errors";

/** Every way in which a call can fail, as one of our errors. */

/** The call as messages name it: `GET http://127.0.0.1:8080/api/snapshots`. */
export interface CallLabel {
  readonly method: string;
  /** Without its query, which may hold paths of the user. */
  readonly url: string;
}

const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_input",
  401: "unauthorized",
  402: "unsupported",
  403: "unauthorized",
  404: "not_found",
  405: "unsupported",
  408: "timeout",
  409: "conflict",
  410: "gone",
  413: "invalid_input",
  422: "invalid_input",
  429: "unavailable",
  500: "internal",
  501: "unsupported",
  502: "unavailable",
  503: "unavailable",
  504: "timeout",
};

const errorBodySchema = z.object({
  error: z.string(),
  code: z.enum(ERROR_CODES).optional().catch(undefined),
  retryable: z.boolean().optional().catch(undefined),
  details: z.record(z.string(), z.unknown()).optional().catch(undefined),
});

/**
 * The error that an answer outside 2xx stands for; `details.status` is its status.
 *
 * A 404 counts as `not_found` only where the body is OpenComputer's: a proxy's or a stranger's 404 does not mean that
 * the thing is gone, and nobody may forget a resource because of it.
 */
export function fromErrorAnswer(status: number, text: string, label: CallLabel): OpenComputerError {
  const body = parseErrorBody(text);
  const details = { ...body?.details, status };
  if (body) return fromErrorJson({ ...body, details }, codeForStatus(status));
  const code = status === 404 ? "protocol" : codeForStatus(status);
  const message = `${label.method} ${label.url} was answered with status ${status} and no OpenComputer error`;
  return new OpenComputerError(
    code,
    `${message}: ${excerpt(text)}; check that the URL is that of an OpenComputer server`,
    {
      details,
    },
  );
}

/** The error that a failed connection, a timeout or an abort stands for. Errors of ours pass through. */
export function fromCallFailure(error: unknown, label: CallLabel, signal: AbortSignal | undefined): OpenComputerError {
  if (error instanceof OpenComputerError) return error;
  const options = { cause: error };
  if (signal?.aborted) return new OpenComputerError("aborted", `${label.method} ${label.url} was aborted`, options);
  const code = systemCode(error);
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
    return new OpenComputerError("timeout", `${label.method} ${label.url} was not answered in time`, options);
  }
  const reason = code ?? (error instanceof Error ? error.message : String(error));
  const server = `the OpenComputer server at ${new URL(label.url).origin}`;
  const message = wasCutOff(error)
    ? `the connection to ${server} broke (${reason}); look at the server's log and try again`
    : `${server} cannot be reached (${reason}); check its URL and that it runs`;
  return new OpenComputerError("unavailable", message, options);
}

/** The connection was never made: the server has not seen the call, and sending it again is safe. */
export function wasNeverSent(error: unknown): boolean {
  return ["ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT"].includes(systemCode(error) ?? "");
}

/** The connection broke: the server may or may not have done what was asked. */
export function wasCutOff(error: unknown): boolean {
  return ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"].includes(systemCode(error) ?? "");
}

function parseErrorBody(text: string): ErrorJson | undefined {
  try {
    const { error, ...optional } = errorBodySchema.parse(JSON.parse(text));
    const present = Object.entries(optional).filter(([, value]) => value !== undefined);
    return { error, ...Object.fromEntries(present) };
  } catch {
    return undefined;
  }
}

function codeForStatus(status: number): ErrorCode {
  return CODE_BY_STATUS[status] ?? (status >= 500 ? "internal" : "protocol");
}

function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function excerpt(text: string): string {
  const oneLine = text.replace(/\s+/g, " ").trim();
  if (oneLine === "") return "(empty)";
  return oneLine.length <= 120 ? oneLine : `${oneLine.slice(0, 120)}…`;
}
