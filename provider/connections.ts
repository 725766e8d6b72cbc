import type { ServerApi } from "../src/api/contract";
import { endpointOf, type ProviderConfig } from "./config";

/** Told while a server is found or started. */
export interface ConnectionLog {
  readonly status: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Ends the wait for a server that starts. */
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
  if (known !== undefined) return known;
  const env = config.engine === undefined ? process.env : { ...process.env, OPENCOMPUTER_ENGINE: config.engine };
  const attempt = import("../src/client/connect.js").then(({ connect }) =>
    connect({ ...endpoint, env, onProgress: status, onWarning: warn, ...(signal ? { signal } : {}) }),
  );
  connections.set(key, attempt);
  attempt.catch(() => connections.delete(key));
  return attempt;
}
