import { abortable } from "./abortable";

/** Lets those who bring the same key go one after the other, in the order in which they came. */
export class Turns {
  private readonly lastEnds = new Map<string, Promise<unknown>>();

  /** Whether somebody has or waits for a turn of this key. */
  isTaken(key: string): boolean {
    return this.lastEnds.has(key);
  }

  /** Resolves when all turns are over that were asked for by now, of one key or of all. */
  async over(key?: string): Promise<void> {
    await (key === undefined ? Promise.all(this.lastEnds.values()) : this.lastEnds.get(key));
  }

  /** Waits for its turn, which is asked for at once. Call the answer to end it. @throws aborted */
  async enter(key: string, signal?: AbortSignal): Promise<() => void> {
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
      await (signal ? abortable(before, signal) : before);
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }
}
