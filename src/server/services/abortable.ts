import { isOpenComputerError, OpenComputerError } from "../../errors";

/** Waits for a promise, but no longer than the signal allows. @throws aborted, or the signal's own reason where it is one of ours */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw toAborted(signal);
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(toAborted(signal));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Acts when the signal fires, or now where it has fired already. */
export function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
}

/** How long work may take, and who may end it before. */
export interface Limit {
  readonly limitMs: number;
  /** What is said when time is up. */
  readonly tooLong: string;
  readonly signals: readonly AbortSignal[];
}

/**
 * Does work under a signal that fires when one of these does or time is up. Nothing of it stays behind: signals that live
 * as long as the server would otherwise gather whatever was ever done under them.
 *
 * @throws timeout; what the work throws
 */
export async function withinLimit<T>(limit: Limit, work: (limited: AbortSignal) => Promise<T>): Promise<T> {
  const { limitMs, tooLong, signals } = limit;
  const limited = new AbortController();
  const timer = setTimeout(() => limited.abort(new OpenComputerError("timeout", tooLong)), limitMs);
  const ends = signals.map((signal) => {
    const end = () => limited.abort(signal.reason);
    whenAborted(signal, end);
    return () => signal.removeEventListener("abort", end);
  });
  try {
    return await work(limited.signal);
  } catch (error) {
    throw isOpenComputerError(limited.signal.reason, "timeout") ? limited.signal.reason : error;
  } finally {
    clearTimeout(timer);
    for (const end of ends) end();
  }
}

/** The error that an aborted signal stands for. */
export function toAborted(signal: AbortSignal): OpenComputerError {
  if (signal.reason instanceof OpenComputerError) return signal.reason;
  return new OpenComputerError("aborted", "the caller left before it was done", { cause: signal.reason });
}
