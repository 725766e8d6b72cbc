import { OpenComputerError } from "../../errors";

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

/** The error that an aborted signal stands for. */
export function toAborted(signal: AbortSignal): OpenComputerError {
  if (signal.reason instanceof OpenComputerError) return signal.reason;
  return new OpenComputerError("aborted", "the caller left before it was done", { cause: signal.reason });
}
