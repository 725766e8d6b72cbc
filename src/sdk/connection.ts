import type { ServerApi } from "../api/contract";
import { connect } from "../client/connect";

/** Which server to use; the same three ways as everywhere (URL, key, or the embedded server). */
export interface ConnectionOptions {
  /** Default: `OPENCOMPUTER_API_KEY`. */
  readonly apiKey?: string;
  /** Default: `OPENCOMPUTER_API_URL`; with a key alone the hosted service, with neither the embedded server. */
  readonly apiUrl?: string;
  /** One line for people while the embedded server starts. Default: written to stderr where that is a terminal. */
  readonly onProgress?: (line: string) => void;
}

/** Connects as the options say. */
export function openConnection(options: ConnectionOptions, signal?: AbortSignal): Promise<ServerApi> {
  const { apiKey, apiUrl, onProgress = showProgress } = options;
  return connect({
    ...(apiKey ? { apiKey } : {}),
    ...(apiUrl ? { apiUrl } : {}),
    ...(signal ? { signal } : {}),
    onProgress,
  });
}

/** The first start takes minutes: somebody who watches must not think that the program hangs. */
function showProgress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`opencomputer: ${line}\n`);
}
