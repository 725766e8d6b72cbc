import type { ServerApi } from "../src/api/contract";
import { OpenComputerError } from "../src/errors";
import { endpointOf, type ProviderConfig } from "./config";

/** Told while a server is found or started. */
export interface ConnectionLog {
  readonly status: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Ends this wait for a server that starts; others may wait for the same one. */
  readonly signal?: AbortSignal;
}

const connections = new Map<string, Promise<ServerApi>>();

/**
 * One connection an endpoint; a failed attempt is forgotten, so that the next operation tries anew. The client is loaded
 * when it is first needed: a preview talks to no server.
 *
 * @throws what connecting to the server throws; invalid_input where the configuration has no such endpoint
 */
export async function connectTo(
  config: ProviderConfig,
  name: string | undefined,
  { status, warn, signal }: ConnectionLog,
): Promise<ServerApi> {
  const endpoint = endpointOf(config, name);
  const key = JSON.stringify([endpoint, config.engine]);
  const known = connections.get(key);
  if (known !== undefined) return waitFor(known, signal);
  const env = config.engine === undefined ? process.env : { ...process.env, OPENCOMPUTER_ENGINE: config.engine };
  const attempt = import("../src/client/connect.js").then(({ connect }) =>
    connect({ ...endpoint, env, onProgress: status, onWarning: warn }),
  );
  connections.set(key, attempt);
  attempt.catch(() => connections.delete(key));
  return waitFor(attempt, signal);
}

function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const giveUp = () =>
      reject(
        new OpenComputerError("aborted", "waiting for the server was aborted; it goes on starting in the background"),
      );
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
