import { chmod, mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../engines/engine";
import { isOpenComputerError, toErrorJson } from "../errors";
import { failpoint } from "../failpoint";
import { version } from "../version";
import { createApp } from "./app";
import type { ServerConfig } from "./config";
import { type HomeLock, lockHome } from "./home-lock";
import { type HttpListener, listen } from "./http-listener";
import { localApiKey } from "./local-key";
import type { Log } from "./log";
import { removeServerCard, writeServerCard } from "./server-card";
import { createServices, type Services } from "./services/services";
import type { Store } from "./store/store";

/** How long open requests may take to finish when the server stops. */
const CLOSE_GRACE_MS = 10_000;

/** A server that answers. */
export interface RunningServer {
  readonly url: string;
  readonly apiKey: string;
  /** Stops it gracefully; sandboxes run on and are adopted by the next start. Again is fine. */
  close(): Promise<void>;
}

/** What a server runs with, beside its configuration. */
export interface ServerMakings {
  readonly engine: Engine;
  /** Opens the store in a home that is locked by then. */
  readonly openStore: (home: string) => Promise<Store>;
  readonly log: Log;
  readonly now: () => number;
  /** Ends a start that takes too long, such as the first base on a slow line. */
  readonly signal: AbortSignal;
}

/**
 * The life of a server, in order:
 *
 *   lock home → open store → start engine (it removes what no row calls running or hibernated) → settle what a crash
 *   interrupted → adopt sandboxes → fill warm pools → listen → write server.json
 *   … and to stop: end commands, builds and their answers, close listener, engine and store, remove server.json, unlock
 *
 * A start that fails undoes what it had done, in reverse.
 *
 * @throws conflict where another server has the home, requirement_missing and what else the engine needs
 */
export async function runServer(config: ServerConfig, makings: ServerMakings): Promise<RunningServer> {
  const undo: Undo[] = [];
  try {
    return await start(config, makings, undo);
  } catch (error) {
    // What is wrong with the machine or the setting is said by the message; a stack is for faults of ours.
    const fault = isOpenComputerError(error) && error.code !== "internal" ? {} : { err: error };
    makings.log.fatal({ fatal: toErrorJson(error), ...fault }, "the server cannot start");
    await undoAll(undo, makings.log);
    throw error;
  }
}

type Undo = () => unknown;

async function start(config: ServerConfig, makings: ServerMakings, undo: Undo[]): Promise<RunningServer> {
  const { engine, log, now } = makings;
  const { home } = config;
  await makePrivate(home);
  const lock: HomeLock = await lockHome(home);
  undo.push(() => lock.release());
  let published = false;
  undo.push(() => published && removeServerCard(home));
  const store = await makings.openStore(home);
  undo.push(() => store.close());
  await startEngine(store, makings);
  failpoint("start.engine");
  undo.push(() => engine.stop());
  const cores = availableParallelism();
  // A start waits half of its time for the kernel.
  const atOnce = { buildsAtOnce: cores, startsAtOnce: 2 * cores };
  const services = createServices({ engine, store, home, now, log, limits: config, ...atOnce });
  undo.push(() => services.checkpoints.close());
  undo.push(() => services.warm.close());
  undo.push(() => services.sandboxes.close());
  await settle(store, services, makings);
  failpoint("start.settled");
  const apiKey = await localApiKey(store, home, now());
  const app = createApp({ ...services, ...config, engine, store, log, version });
  const listener = await listen({ ...config, fetch: (request, bindings) => app.fetch(request, bindings) });
  undo.push(() => closeDoors(services, listener));
  await writeServerCard(home, { url: listener.url, apiKey, pid: process.pid, version });
  published = true;
  log.info({ url: listener.url, version, ...engine.describe() }, "the server is ready");
  return { url: listener.url, apiKey, close: onceOnly(() => undoAll(undo, log)) };
}

async function startEngine(store: Store, { engine, log, signal }: ServerMakings): Promise<void> {
  const rows = await store.listSandboxes(["running", "hibernated"]);
  await engine.start({
    knownSandboxes: rows.map((row) => row.id),
    onProgress: (line) => log.info({ progress: line }, line),
    signal,
  });
}

/** A row that says something is going on was written by a server that is gone: nothing is. */
async function settle(store: Store, services: Services, { log, now }: ServerMakings): Promise<void> {
  const reason = {
    error: "the server stopped before this was done",
    code: "build_cancelled",
    retryable: true,
  } as const;
  const counts = await store.settleInterrupted(reason, now());
  if (counts.builds + counts.snapshots + counts.checkpoints > 0) log.warn(counts, "the last server was interrupted");
  await store.dropSuperseded(now());
  await services.sandboxes.adopt(await store.listSandboxes(["running", "hibernated"]));
  await services.warm.open();
}

/** Ends what answers wait for, so that they can be given, and takes no more. */
async function closeDoors(services: Services, listener: HttpListener): Promise<void> {
  const closed = listener.close(CLOSE_GRACE_MS);
  services.exec.stop();
  // An engine that does not let go of its builds must not keep the server from ending.
  await Promise.race([services.builds.stop(), sleep(CLOSE_GRACE_MS, undefined, { ref: false })]);
  await closed;
}

/** Undoes in reverse; one step that fails does not keep the others from being done. */
async function undoAll(undo: Undo[], log: Log): Promise<void> {
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (err) {
      log.error({ err }, "a part of the server did not stop cleanly");
    }
  }
}

async function makePrivate(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await chmod(home, 0o700);
}

function onceOnly(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
