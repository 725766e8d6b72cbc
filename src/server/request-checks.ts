import type { MiddlewareHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ErrorCode, OpenComputerError } from "../errors";
import { MAX_HEADERS } from "./malformed-request";

/** A path or query that is longer is nobody's; a file's path has 4,096 bytes, each of which may take three. */
export const MAX_URL_BYTES = 16_384;

/**
 * Refuses what a web page of another origin has its browser send, key or not: the browser says so in `Origin` and
 * `Sec-Fetch-Site`, which no page can change. Other programs send neither.
 *
 * @param names host names whose pages may call: those that the server was set up for
 */
export function checkOrigin(names: readonly string[]): MiddlewareHandler {
  const allowed = new Set(names.map((name) => name.toLowerCase()));
  return async (c, next) => {
    const origin = c.req.header("origin");
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    const isOwn = origin !== undefined && isOriginOf(origin, host.toLowerCase(), allowed);
    const site = c.req.header("sec-fetch-site");
    const isForeign = origin === undefined ? site === "cross-site" || site === "same-site" : !isOwn;
    if (!isForeign) return await next();
    const from = origin === undefined ? "another site" : origin.slice(0, 200);
    const message = `this server does not answer pages of ${from}; allow their host with OPENCOMPUTER_ALLOWED_HOSTS`;
    return c.json(new OpenComputerError("unauthorized", message).toJSON(), 403);
  };
}

/** Refuses what no endpoint here understands, before anything is read: compressed bodies, WebSockets, endless addresses. */
export function checkForm(): MiddlewareHandler {
  return async (c, next) => {
    const refusal = findRefusal(c.req.raw);
    if (refusal === undefined) return await next();
    const { status, code, message } = refusal;
    return c.json(new OpenComputerError(code, message).toJSON(), status);
  };
}

interface Refusal {
  readonly status: ContentfulStatusCode;
  readonly code: ErrorCode;
  readonly message: string;
}

function findRefusal({ url, headers }: Request): Refusal | undefined {
  const code = "invalid_input";
  const count = [...headers.keys()].length;
  if (count > MAX_HEADERS) {
    return { code, status: 431, message: `the request has ${count} headers or more; at most ${MAX_HEADERS} are taken` };
  }
  if (url.length > MAX_URL_BYTES) {
    return { code, status: 414, message: `the URL has ${url.length} characters; at most ${MAX_URL_BYTES} are taken` };
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    const message = `the body is compressed (${encoding.slice(0, 40)}); this server takes it only as it is`;
    return { code, status: 415, message };
  }
  if (/\bwebsocket\b/i.test(headers.get("upgrade") ?? "")) {
    return { code, status: 400, message: "no endpoint of this server is a WebSocket; see /api/openapi.json" };
  }
  return undefined;
}

function isOriginOf(origin: string, host: string, allowed: ReadonlySet<string>): boolean {
  const match = /^https?:\/\/([^/\s]+)$/.exec(origin.toLowerCase());
  const place = match?.[1];
  return place !== undefined && (place === host || allowed.has(place.replace(/:\d+$/, "")));
}
