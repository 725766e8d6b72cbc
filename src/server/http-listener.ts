import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { OpenComputerError } from "../errors";
import type { AppEnv } from "./auth";

/** An upload may take long, but not for ever. */
const REQUEST_TIMEOUT_MS = 3_600_000;
const HEADERS_TIMEOUT_MS = 60_000;
/** Longer than clients keep idle connections, so that none is closed under a request. */
const KEEP_ALIVE_MS = 65_000;
const SWEEP_MS = 20;

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
}

/** Serves an app over HTTP. @throws conflict where the port is taken */
export async function listen({ fetch, host, port }: ListenOptions): Promise<HttpListener> {
  const server = createAdaptorServer({
    fetch: (request, bindings) => fetch(heedful(request), bindings),
    overrideGlobalObjects: false,
  }) as Server;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(error, host, port)));
    server.listen(port, host, resolve);
  });
  let answering = 0;
  server.on("request", (_request, response) => {
    answering += 1;
    response.once("close", () => {
      answering -= 1;
    });
  });
  return { url: urlOf(server, host), close: (graceMs) => closeServer(server, () => answering === 0, graceMs) };
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
  }, SWEEP_MS);
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
