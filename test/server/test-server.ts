import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { decodeEvents, type StreamEvent } from "../../src/api/events";
import { createApp } from "../../src/server/app";
import { DEFAULT_LIMITS, type Limits } from "../../src/server/limits";
import type { Log } from "../../src/server/log";
import { mintApiKey } from "../../src/server/services/api-keys";
import { createServices } from "../../src/server/services/services";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import { MemoryEngine } from "./memory-engine";

export const SILENT = pino({ level: "silent" });
export const BUILDS_AT_ONCE = 4;
export const STARTS_AT_ONCE = 4;

export interface TestServerOptions {
  readonly now?: () => number;
  readonly limits?: Partial<Limits>;
  /** Default: silent. */
  readonly log?: Log;
}

/** The real app, services and SQLite store in a temporary home, over the memory engine. */
export async function createTestServer({ now = Date.now, limits = {}, log = SILENT }: TestServerOptions = {}) {
  const home = await mkdtemp(join(tmpdir(), "opencomputer-server-"));
  const store = await openSqliteStore(join(home, "server.db"));
  const engine = new MemoryEngine();
  const atOnce = { buildsAtOnce: BUILDS_AT_ONCE, startsAtOnce: STARTS_AT_ONCE };
  const services = createServices({
    engine,
    store,
    home,
    now,
    log,
    limits: { ...DEFAULT_LIMITS, ...limits },
    ...atOnce,
  });
  const app = createApp({
    ...services,
    ...{ engine, store, log, version: "0.0.0-test", stepTimeoutSeconds: 60 },
    ...{ host: "127.0.0.1", allowedHosts: ["box.example"] },
  });
  const keys = { a: await addOrg("a"), b: await addOrg("b") };

  async function addOrg(id: string): Promise<string> {
    await store.ensureOrganisation({ id, name: id });
    return await mintApiKey(store, id, 0);
  }

  /** A request with organisation a's key, unless it says another. */
  async function request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const { json, accept, key = keys.a, ...init } = options;
    const headers = {
      ...(key ? { "X-API-Key": key } : {}),
      ...(accept ? { Accept: accept } : {}),
      ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      ...init.headers,
    };
    const body = json === undefined ? init.body : JSON.stringify(json);
    return await app.request(`http://localhost${path}`, { ...init, method, headers, ...(body ? { body } : {}) });
  }

  return {
    ...{ home, store, engine, services, app, keys, request },
    org: store.forOrg("a"),
    async close() {
      services.exec.stop();
      await services.builds.stop();
      await services.sandboxes.close();
      await services.warm.close();
      await services.checkpoints.close();
      await store.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export type TestServer = Awaited<ReturnType<typeof createTestServer>>;

interface RequestOptions {
  readonly json?: unknown;
  readonly accept?: string;
  readonly key?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export const EVENTS = "text/event-stream";

/** A manifest of `run` steps. */
export function image(...commands: string[]) {
  return {
    base: "base" as const,
    steps: commands.map((command) => ({ type: "run" as const, args: { commands: [command] } })),
  };
}

/** The JSON object of an answer. */
export async function bodyOf(response: Response): Promise<Fields> {
  return (await response.json()) as Fields;
}

/** The JSON array of an answer. */
export async function listOf(response: Response): Promise<Fields[]> {
  return (await response.json()) as Fields[];
}

type Fields = Readonly<Record<string, unknown>>;

/** All events of a stream, to its end. */
export async function readEvents(response: Response): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  if (response.body === null) return events;
  for await (const event of decodeEvents(response.body)) events.push(event);
  return events;
}

/** Waits until something is so; ten seconds at most, because a busy machine is slow and not wrong. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadlineMs = Date.now() + 10_000; Date.now() < deadlineMs; ) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited for nothing: ${what}`);
}
