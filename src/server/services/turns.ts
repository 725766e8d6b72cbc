import { abortable } from "./abortable";

/** Lets those who bring the same key go one after the other, in the order in which they came. */
export class Turns {
  private readonly lastEnds = new Map<string, Promise<unknown>>();

  /** Resolves when all turns are over that were asked for by now. */
  async over(): Promise<void> {
    await Promise.all(this.lastEnds.values());
  }

  /** Waits for its turn. Call the answer to end it. @throws aborted */
  async enter(key: string, signal: AbortSignal): Promise<() => void> {
    const before = this.lastEnds.get(key) ?? Promise.resolve();
    let end = () => {};
    const turn = new Promise<void>((resolve) => {
      end = resolve;
    });
    const both = Promise.all([before, turn]).then(() => {
      if (this.lastEnds.get(key) === both) this.lastEnds.delete(key);
    });
    this.lastEnds.set(key, both);
    try {
      await abortable(before, signal);
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }
}
