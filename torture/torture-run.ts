import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "./seeded-random";

export interface TortureOptions {
  /** `short` is part of `npm test` and takes seconds; `long` is `npm run torture`. */
  readonly size: "short" | "long";
  /** What all random numbers come from. */
  readonly seed: number;
  /** How long a `long` experiment goes on at most, in seconds; each has its share of the whole run. */
  readonly seconds: number;
  /** Ends the run; what was started is undone all the same. */
  readonly signal: AbortSignal;
  /** Hears signs of life. Default: nobody. */
  readonly onProgress?: (line: string) => void;
}

/** One run of one experiment: its size, its randomness, its folder, and what has to be undone at its end. */
export class TortureRun {
  readonly size: "short" | "long";
  readonly seed: number;
  readonly signal: AbortSignal;
  /** When a `long` experiment begins nothing new, in milliseconds of `Date.now()`. */
  readonly deadline: number;
  /** A number from 0 to below 1. */
  readonly random: () => number;
  private readonly undo: (() => unknown)[] = [];

  private constructor(
    /** A folder of its own, which root inside a container can pass through. */
    readonly dir: string,
    private readonly options: TortureOptions,
  ) {
    this.size = options.size;
    this.seed = options.seed;
    this.signal = options.signal;
    this.deadline = Date.now() + options.seconds * 1000;
    this.random = seededRandom(options.seed);
  }

  static async start(options: TortureOptions): Promise<TortureRun> {
    const dir = await mkdtemp(join(tmpdir(), "oc-torture-"));
    await chmod(dir, 0o711);
    const run = new TortureRun(dir, options);
    run.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
    return run;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  /** One of them. */
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.between(0, items.length - 1)] ?? items[0];
  }

  /** Keeps something to be undone at the end, the last first. Undoing twice must be fine. */
  defer(undo: () => unknown): void {
    this.undo.push(undo);
  }

  /** A sign of life. */
  say(line: string): void {
    this.options.onProgress?.(line);
  }

  /** Undoes everything; what fails keeps nothing else from being undone, and is told. */
  async close(): Promise<readonly string[]> {
    const failures: string[] = [];
    for (const undo of this.undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        failures.push(`cleaning up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return failures;
  }
}
