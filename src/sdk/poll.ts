import { pause } from "../client/pause";
import { OpenComputerError } from "../errors";

/** How long to wait for something that happens on the server, and how often to look. */
export interface WaitForReadyOpts {
  readonly signal?: AbortSignal;
  /** Longest wait in milliseconds. Default: none. */
  readonly timeoutMs?: number;
  /** First pause between two looks, in milliseconds; doubles up to 5000. Default 1000; 50 for checkpoints. */
  readonly pollIntervalMs?: number;
}

const MAX_POLL_MS = 5_000;

/**
 * Looks until there is something to see.
 *
 * @param what as messages name it: `snapshot agent`
 * @throws timeout, aborted, and whatever `look` throws
 */
export async function poll<T>(
  what: string,
  look: () => Promise<T | undefined>,
  options: WaitForReadyOpts,
  firstPauseMs: number,
): Promise<T> {
  const { signal, timeoutMs = Number.POSITIVE_INFINITY } = options;
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = options.pollIntervalMs ?? firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, MAX_POLL_MS)) {
    const seen = await look();
    if (seen !== undefined) return seen;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) throw new OpenComputerError("timeout", `${what} was not ready after ${timeoutMs} ms`);
    await pause(Math.min(pauseMs, leftMs), signal, what);
  }
}
