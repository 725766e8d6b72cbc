import type { ServerApi } from "../api/contract";
import { assertNever, OpenComputerError } from "../errors";
import { createClient } from "./client";
import { connectEmbedded } from "./embedded";
import { describeStarting, readEmbeddedState, silentError } from "./embedded-state";
import { embeddedHome } from "./running-server";

/** Where a key without a URL leads: the hosted service. */
export const HOSTED_URL = "https://app.opencomputer.dev";

export interface ConnectOptions {
  /** Default: `OPENCOMPUTER_API_URL`. */
  readonly apiUrl?: string;
  /** Default: `OPENCOMPUTER_API_KEY`. */
  readonly apiKey?: string;
  /** Where both are looked up. Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** One line for people while the embedded server starts. */
  readonly onProgress?: (line: string) => void;
  /** Told what a server cannot take. Default: a Node.js process warning. */
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * The server to use: the one that a URL names; with a key alone the hosted service; with neither the embedded server of
 * this machine, which is started where it does not run.
 *
 * @throws invalid_input for a bad URL; what {@link connectEmbedded} throws
 */
export async function connect(options: ConnectOptions = {}): Promise<ServerApi> {
  return connectRemote(options) ?? connectEmbedded(options);
}

/**
 * The server that {@link connect} would use, where it runs; undefined where it would have to be started.
 *
 * @throws unavailable where the embedded server is starting or does not answer; invalid_input for a bad URL
 */
export async function findServer(options: ConnectOptions = {}): Promise<ServerApi | undefined> {
  const remote = connectRemote(options);
  if (remote) return remote;
  const state = await readEmbeddedState(embeddedHome(options.env ?? process.env), options.signal);
  switch (state.kind) {
    case "none":
      return undefined;
    case "running":
      return state.server.api;
    case "silent":
      throw silentError(state);
    case "starting":
      throw new OpenComputerError("unavailable", `the embedded server is ${describeStarting(state)}; try again later`);
    default:
      return assertNever(state);
  }
}

/** Undefined where neither URL nor key is said, which means the embedded server. */
function connectRemote(options: ConnectOptions): ServerApi | undefined {
  const env = options.env ?? process.env;
  const apiUrl = options.apiUrl || env["OPENCOMPUTER_API_URL"];
  const apiKey = options.apiKey || env["OPENCOMPUTER_API_KEY"];
  if (!apiUrl && !apiKey) return undefined;
  const { onWarning } = options;
  return createClient({
    apiUrl: apiUrl || HOSTED_URL,
    ...(apiKey ? { apiKey } : {}),
    ...(onWarning ? { onWarning } : {}),
  });
}
