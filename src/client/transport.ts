import { setMaxListeners } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import type { z } from "zod";
import { isOpenComputerError, OpenComputerError } from "../errors";
import { parseWith } from "../image/manifest";
import { isLoopback, toApiBase } from "./api-base";
import { type CallLabel, fromCallFailure, fromErrorAnswer, wasCutOff, wasNeverSent } from "./http-errors";
import { type Attempt, DEFAULT_RETRY, parseRetryAfter, type RetryPolicy, withRetries } from "./retry";

/** HTTP to one server: its base URL, its key, and what to do when a call fails. Throws OpenComputerErrors only. */
export interface Transport {
  /** Sends a call and hands out the answer's body unread. The answer's status is 2xx. */
  open(call: Call): Promise<Answer>;
  /** Sends a call and checks the JSON that comes back. @throws protocol where it is not what the wire promises */
  json<T>(schema: z.ZodType<T>, call: Call): Promise<T>;
  /** Sends a call whose answer says nothing. */
  send(call: Call): Promise<void>;
}

export interface TransportOptions {
  /** With or without `/api`; see {@link toApiBase}. */
  readonly apiUrl: string;
  /** Absent or empty: no key is sent. */
  readonly apiKey?: string;
  readonly retry?: RetryPolicy;
}

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/api`, from `routes`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. A function gives a fresh body for each send; a bare stream is sent once. */
  readonly body?: string | Uint8Array | Readable | (() => Readable);
  /** What to accept; default is anything. */
  readonly accept?: string;
  /** Sending it twice is as good as once. Default: every method but POST. */
  readonly idempotent?: boolean;
  /** What to send in its place where it is sent once more. Default: the same. */
  readonly again?: () => Promise<Call>;
  /** Longest silence before and within the answer. Default 60 s. */
  readonly silenceTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly contentType: string;
  /** Fails with our errors, also in the middle. */
  readonly body: Readable;
}

/** Of calls that start, stop or wake a sandbox first: moments, but gigabytes of memory take until a server gives up. */
export const START_SILENCE_MS = 3_930_000;
const DEFAULT_SILENCE_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
const TRY_AGAIN: ReadonlySet<number> = new Set([429, 502, 503]);

/** @throws invalid_input where the URL is none */
export function createTransport(options: TransportOptions): Transport {
  const base = toApiBase(options.apiUrl);
  const open = (call: Call) => openAnswer(base, options, call);
  return {
    open,
    json: async (schema, call) => {
      const text = await collectText(await open(call));
      return parseAnswer(schema, text, `${call.method} ${withoutQuery(base + call.path)}`);
    },
    send: async (call) => {
      await collectText(await open(call));
    },
  };
}

/** Checks an answer. @throws protocol with what is wrong */
export function parseAnswer<T>(schema: z.ZodType<T>, answer: string | { readonly value: unknown }, what: string): T {
  try {
    return parseWith(schema, typeof answer === "string" ? JSON.parse(answer) : answer.value, `the answer to ${what}`);
  } catch (error) {
    const reason = isOpenComputerError(error) ? error.message : `the answer to ${what} is not JSON`;
    const hint = "is it an OpenComputer server, and of a version that fits?";
    throw new OpenComputerError("protocol", `${reason}\n${hint}`, { cause: error });
  }
}

async function openAnswer(base: string, options: TransportOptions, call: Call): Promise<Answer> {
  const label = { method: call.method, url: withoutQuery(base + call.path) };
  const dispatcher = dispatcherFor(base);
  const send = (one: Call) => request(base + one.path, toRequest(one, options.apiKey, dispatcher));
  let next = async () => call;
  try {
    return await withRetries(options.retry ?? DEFAULT_RETRY, call.signal, async () => {
      const one = await next();
      next = one.again ?? next;
      return tryOnce(one, label, () => send(one));
    });
  } catch (error) {
    throw fromCallFailure(error, label, call.signal);
  }
}

async function tryOnce(
  call: Call,
  label: CallLabel,
  send: () => Promise<Dispatcher.ResponseData>,
): Promise<Attempt<Answer>> {
  const repeatable = !(call.body instanceof Readable);
  const idempotent = repeatable && (call.idempotent ?? call.method !== "POST");
  try {
    const { statusCode, headers, body } = await send();
    if (statusCode >= 200 && statusCode < 300) {
      const contentType = String(headers["content-type"] ?? "");
      return { kind: "done", value: { contentType, body: withOurErrors(body, label, call.signal) } };
    }
    const error = fromErrorAnswer(statusCode, await body.text(), label);
    const retryAfterMs = parseRetryAfter(headers["retry-after"]);
    const again = idempotent && error.retryable && TRY_AGAIN.has(statusCode);
    return { kind: "failed", error, again, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  } catch (error) {
    return { kind: "failed", error, again: (idempotent && wasCutOff(error)) || (repeatable && wasNeverSent(error)) };
  }
}

function toRequest(call: Call, apiKey: string | undefined, dispatcher: Dispatcher) {
  // Any number of calls may have the same one, and each listens to it while it runs: that is no leak to warn of.
  if (call.signal) setMaxListeners(0, call.signal);
  const silenceMs = call.silenceTimeoutMs ?? DEFAULT_SILENCE_MS;
  return {
    dispatcher,
    method: call.method,
    headers: {
      ...(apiKey ? { "X-API-Key": apiKey } : {}),
      ...(call.json === undefined ? {} : { "Content-Type": "application/json" }),
      ...(call.body === undefined ? {} : { "Content-Type": "application/octet-stream" }),
      ...(call.accept ? { Accept: call.accept } : {}),
    },
    body: call.json === undefined ? toBody(call.body) : JSON.stringify(call.json),
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    signal: call.signal ?? null,
  };
}

function toBody(body: Call["body"]): string | Uint8Array | Readable | null {
  return typeof body === "function" ? body() : (body ?? null);
}

/** A body can break long after its headers: whoever reads it must see our errors too. Closing it ends the call. */
function withOurErrors(body: Readable, label: CallLabel, signal: AbortSignal | undefined): Readable {
  const checked = new PassThrough();
  body.on("error", (error) => checked.destroy(fromCallFailure(error, label, signal)));
  checked.on("close", () => body.destroy());
  // It may break before anybody reads it; whoever reads it then learns of it, but the process must not end for it.
  checked.on("error", () => undefined);
  return body.pipe(checked);
}

async function collectText(answer: Answer): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/, "");
}

let direct: Dispatcher | undefined;
let proxied: Dispatcher | undefined;

/** One pool of connections for the process: sandboxes are created in bursts, and an idle pool keeps no process alive. */
function dispatcherFor(base: string): Dispatcher {
  const connect = { timeout: CONNECT_TIMEOUT_MS };
  if (isLoopback(base)) {
    direct ??= new Agent({ connect });
    return direct;
  }
  proxied ??= new EnvHttpProxyAgent({ connect });
  return proxied;
}
