import { setTimeout as sleep } from "node:timers/promises";

/** How often a call is sent again, and how long to wait in between. */
export interface RetryPolicy {
  /** Sends in all, the first one included. */
  readonly attempts: number;
  /** Wait before the second send; doubles with each, half of it by chance so that clients do not march in step. */
  readonly baseDelayMs: number;
}

/** Gives a server that restarts about two seconds. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseDelayMs: 120 };

/** The longest `Retry-After` that is worth waiting for inside a call. */
const MAX_RETRY_AFTER_MS = 10_000;

/** What one try came to. `retryAfterMs` is the server's wish, where it has one. */
export type Attempt<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly error: unknown; readonly again: boolean; readonly retryAfterMs?: number };

/**
 * Tries until it is done, must not be sent again, or the attempts are used up; then throws the last error.
 * The wait in between ends when the signal fires.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  tryOnce: () => Promise<Attempt<T>>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryOnce();
    if (outcome.kind === "done") return outcome.value;
    const delayMs = outcome.retryAfterMs ?? jitter(policy.baseDelayMs * 2 ** (attempt - 1));
    if (!outcome.again || attempt >= policy.attempts || delayMs > MAX_RETRY_AFTER_MS) throw outcome.error;
    await sleep(delayMs, undefined, { ...(signal ? { signal } : {}) });
  }
}

/** `Retry-After` in milliseconds; only its form in seconds, which is the one that servers of this wire send. */
export function parseRetryAfter(header: string | string[] | undefined): number | undefined {
  return typeof header === "string" && /^\d+$/.test(header) ? Number(header) * 1000 : undefined;
}

function jitter(delayMs: number): number {
  return delayMs / 2 + (Math.random() * delayMs) / 2;
}
