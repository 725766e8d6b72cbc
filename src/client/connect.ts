import type { ServerApi } from "../api/contract";
import { createClient } from "./client";
import { connectEmbedded } from "./embedded";

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
  const env = options.env ?? process.env;
  const apiUrl = options.apiUrl || env["OPENCOMPUTER_API_URL"];
  const apiKey = options.apiKey || env["OPENCOMPUTER_API_KEY"];
  if (!apiUrl && !apiKey) return connectEmbedded(options);
  const { onWarning } = options;
  return createClient({
    apiUrl: apiUrl || HOSTED_URL,
    ...(apiKey ? { apiKey } : {}),
    ...(onWarning ? { onWarning } : {}),
  });
}
