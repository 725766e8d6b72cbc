import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { type ErrorCode, OpenComputerError, toErrorJson } from "../errors";

/** All headers of a request and its first line; a URL alone may have less (request-checks.ts). */
export const MAX_HEADER_BYTES = 32_768;
/** More headers than any client or proxy sends. */
export const MAX_HEADERS = 100;

interface Refusal {
  readonly status: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Of Node's parser, by the code of its error; whatever else is wrong is bad HTTP. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    code: "invalid_input",
    message: `the headers of the request have more than the ${MAX_HEADER_BYTES} bytes that are taken`,
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: "413 Payload Too Large",
    code: "invalid_input",
    message: "the body's chunks have longer extensions than are taken; send none",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: "408 Request Timeout",
    code: "timeout",
    message: "the request was not here in time; send its headers at once",
  },
};

/** Answers what is no HTTP, or too much of it, on the bare connection, and closes that. */
export function refuseMalformed(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const { status, code, message } = REFUSALS[error.code ?? ""] ?? {
    status: "400 Bad Request",
    code: "invalid_input",
    message: `the request is no HTTP/1.1 that can be read: ${error.message}`,
  };
  const body = JSON.stringify(new OpenComputerError(code, message).toJSON());
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}

/** The answer to a request whose address or host is none, so that no route can be asked. */
export function toMalformedAnswer(error: unknown): Response {
  if (!(error instanceof RequestError)) return Response.json(toErrorJson(error), { status: 500 });
  const message = `the request has no address that can be read: ${error.message}`;
  return Response.json(new OpenComputerError("invalid_input", message).toJSON(), { status: 400 });
}
