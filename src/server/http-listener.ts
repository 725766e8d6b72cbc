import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { OpenComputerError } from "../errors";
import type { AppEnv } from "./auth";
import { MAX_HEADER_BYTES, MAX_HEADERS, refuseMalformed, toMalformedAnswer } from "./malformed-request";

/** An upload may take long, but not for ever. */
const REQUEST_TIMEOUT_MS = 3_600_000;
const HEADERS_TIMEOUT_MS = 20_000;
/** How often Node looks for requests that are late. */
const TIMEOUT_SWEEP_MS = 5_000;
/** Longer than clients keep idle connections, so that none is closed under a request. */
const KEEP_ALIVE_MS = 65_000;
/** How long a client may send nothing of what it has begun, or read nothing of what it asked for. */
const STALL_TIMEOUT_MS = 60_000;
const CLOSE_SWEEP_MS = 20;

export interface HttpListener {
  /** For example `http://127.0.0.1:41234`. */
  readonly url: string;
  /** Takes no new connections, lets the open requests finish within `graceMs`, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

export interface ListenOptions {
  readonly fetch: (request: Request, bindings: AppEnv["Bindings"]) => Response | Promise<Response>;
  readonly host: string;
  readonly port: number;
  /** Those beyond are closed at once. */
  readonly maxConnections: number;
  /** Default: a minute. */
  readonly stallTimeoutMs?: number;
  /** Default: 20 s. */
  readonly headersTimeoutMs?: number;
}

/** Serves an app over HTTP. @throws conflict where the port is taken */
export async function listen(options: ListenOptions): Promise<HttpListener> {
  const { host, port } = options;
  const server = createBoundedServer(options);
  const answering = new Map<Socket, ServerResponse>();
  server.on("request", (request, response) => {
    answering.set(request.socket, response);
    response.once("close", () => answering.delete(request.socket));
  });
  server.on("timeout", (socket) => {
    if (!isWaitingForUs(answering.get(socket))) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(error, host, port)));
    server.listen(port, host, resolve);
  });
  return { url: urlOf(server, host), close: (graceMs) => closeServer(server, () => answering.size === 0, graceMs) };
}

function createBoundedServer({ fetch, maxConnections, headersTimeoutMs, stallTimeoutMs }: ListenOptions): Server {
  const answer = getRequestListener((request, bindings) => fetch(heedful(request), bindings), {
    overrideGlobalObjects: false,
    errorHandler: toMalformedAnswer,
  });
  const times = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(TIMEOUT_SWEEP_MS, headersTimeoutMs ?? TIMEOUT_SWEEP_MS),
  };
  const server = createServer({ ...times, maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    void answer(request, response);
  });
  server.timeout = stallTimeoutMs ?? STALL_TIMEOUT_MS;
  server.maxHeadersCount = MAX_HEADERS + 1;
  server.maxConnections = maxConnections;
  server.on("clientError", refuseMalformed);
  return server;
}

/**
 * Whether a connection is quiet because of us: an answer is being worked on, or we take no more of an upload for now. Else
 * it is the client that sends nothing or reads nothing.
 */
function isWaitingForUs(response: ServerResponse | undefined): boolean {
  if (response === undefined || response.writableLength > 0) return false;
  const request: IncomingMessage = response.req;
  return request.complete || request.isPaused() || request.readableLength > 0;
}

/**
 * The adapter makes a request's signal when it is first looked at, and tells nothing to one that it makes after the client
 * has hung up: so look now, before anything can wait. Uploads have their own way (upload.ts): a look at their signal would
 * begin to read them.
 */
function heedful(request: Request): Request {
  if (request.method !== "PUT") void request.signal;
  return request;
}

async function closeServer(server: Server, isQuiet: () => boolean, graceMs: number): Promise<void> {
  const giveUpAt = performance.now() + graceMs;
  // Clients keep connections for later, some without ever having asked: left alone, those outlast any grace.
  const sweep = setInterval(() => {
    if (isQuiet() || performance.now() > giveUpAt) server.closeAllConnections();
  }, CLOSE_SWEEP_MS);
  try {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  } finally {
    clearInterval(sweep);
  }
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new OpenComputerError("internal", "the server has no port");
  // A server on all addresses is reached on this machine's own.
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${address.port}`;
}

function cannotListen(error: Error, host: string, port: number): OpenComputerError {
  const taken = "code" in error && error.code === "EADDRINUSE";
  const advice = taken ? "; another program has it: choose another port, or 0 for any that is free" : "";
  return new OpenComputerError(
    taken ? "conflict" : "requirement_missing",
    `cannot listen on ${host}:${port}: ${error.message}${advice}`,
    { cause: error },
  );
}
