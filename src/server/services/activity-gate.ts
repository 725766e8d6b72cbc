import { OpenComputerError } from "../../errors";

/**
 * Keeps collection and use apart: any number of uses at a time, or one collection. A collection never makes users wait
 * before it has begun; it waits for a quiet moment, and gives up where none comes.
 */
export class ActivityGate {
  private users = 0;
  private collecting: Promise<void> | undefined;
  private whenQuiet: (() => void) | undefined;

  /** Begins a use, which needs layers and blobs to stay; waits for a collection that is under way. Call the answer to end it. */
  async enter(): Promise<() => void> {
    while (this.collecting !== undefined) await this.collecting;
    this.users += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.users -= 1;
      if (this.users === 0) this.whenQuiet?.();
    };
  }

  /** Runs a collection alone. @throws conflict where the server was busy for all of `patienceMs` */
  async collect<T>(work: () => Promise<T>, patienceMs: number): Promise<T> {
    if (this.collecting !== undefined) throw busy("another collection is running");
    const giveUpAt = performance.now() + patienceMs;
    // Again, because a new use may begin between the quiet moment and this line.
    while (this.users > 0) await this.quiet(giveUpAt - performance.now());
    const running = work();
    this.collecting = running.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await running;
    } finally {
      this.collecting = undefined;
    }
  }

  private async quiet(patienceMs: number): Promise<void> {
    if (this.whenQuiet !== undefined) throw busy("another collection is waiting");
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.whenQuiet = resolve;
        timer = setTimeout(() => reject(busy("builds or sandbox starts are running")), patienceMs);
      });
    } finally {
      clearTimeout(timer);
      this.whenQuiet = undefined;
    }
  }
}

function busy(reason: string): OpenComputerError {
  return new OpenComputerError("conflict", `nothing was collected: ${reason}. Try again when they are done.`, {
    retryable: true,
  });
}
