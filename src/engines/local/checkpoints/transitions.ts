import { OpenComputerError } from "../../../errors";

/** What becomes of sandboxes, one thing at a time for each: checkpoints, sleep, waking, the end. */
export class Transitions {
  private readonly last = new Map<string, Promise<unknown>>();
  private readonly running = new Map<string, AbortController>();

  /** Does something when all is over that was asked for before. `end` stops it, as `signal` does. */
  async run<T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.next(key, async () => {
      const stop = new AbortController();
      this.running.set(key, stop);
      try {
        const either = AbortSignal.any([signal, stop.signal]);
        if (either.aborted) throw new OpenComputerError("aborted", "stopped before it began");
        return await work(either);
      } finally {
        this.running.delete(key);
      }
    });
  }

  /** Stops what is being done, and does something when it has stopped. */
  async end<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.running.get(key)?.abort();
    return this.next(key, work);
  }

  private next<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(key) ?? Promise.resolve();
    const own = before.catch(() => undefined).then(work);
    const settled = own
      .catch(() => undefined)
      .finally(() => {
        if (this.last.get(key) === settled) this.last.delete(key);
      });
    this.last.set(key, settled);
    return own;
  }
}
