import { abortable } from "./abortable";

/** Lets a few builds run at a time, so that many do not starve each other; the others have their turns as they came. */
export class BuildQueue {
  private running = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly atOnce: number) {}

  /**
   * Waits for a turn; call the answer once when it is over. Where there is a wait, `onWait` is told how many are ahead.
   *
   * @throws the signal's reason, and the turn is the next one's
   */
  async enter(signal: AbortSignal, onWait: (ahead: number) => void): Promise<() => void> {
    if (this.running < this.atOnce) this.running += 1;
    else await this.wait(signal, onWait);
    return () => this.passOn();
  }

  private async wait(signal: AbortSignal, onWait: (ahead: number) => void): Promise<void> {
    onWait(this.running + this.waiting.size);
    let start = () => {};
    const turn = new Promise<void>((resolve) => {
      start = resolve;
    });
    this.waiting.add(start);
    try {
      await abortable(turn, signal);
    } catch (error) {
      // One who left just when the turn came hands it on.
      if (!this.waiting.delete(start)) this.passOn();
      throw error;
    }
  }

  /** A turn that ends goes to the next in line, so nobody who comes just then gets before them. */
  private passOn(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.running -= 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
