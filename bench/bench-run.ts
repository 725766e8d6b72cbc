import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RunOptions {
  readonly rounds: number;
  /** Small sizes and few rounds: shows that a benchmark works, not what it measures. */
  readonly isQuick: boolean;
  /** Ends the run; what was started is undone all the same. */
  readonly signal: AbortSignal;
}

/** One run of a benchmark: its size, its folder, and what has to be undone at its end. */
export class BenchRun {
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly signal: AbortSignal;
  private readonly undo: (() => unknown)[] = [];

  private constructor(
    /** A folder of its own, which root inside a container can pass through. */
    readonly dir: string,
    options: RunOptions,
  ) {
    this.rounds = options.rounds;
    this.isQuick = options.isQuick;
    this.signal = options.signal;
  }

  static async start(options: RunOptions): Promise<BenchRun> {
    const dir = await mkdtemp(join(tmpdir(), "oc-bench-"));
    await chmod(dir, 0o711);
    const run = new BenchRun(dir, options);
    run.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
    return run;
  }

  /** Keeps something to be undone at the end, the last first. Undoing twice must be fine. */
  defer(undo: () => unknown): void {
    this.undo.push(undo);
  }

  /** A sign of life. */
  say(line: string): void {
    process.stderr.write(`  … ${line}\n`);
  }

  /** Says which round is measured. */
  readonly onRound = (round: number): void => {
    this.say(round === 0 ? "a round that is not measured" : `round ${round} of ${this.rounds}`);
  };

  /** Undoes everything; what fails is told and keeps nothing else from being undone. */
  async close(): Promise<void> {
    for (const undo of this.undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        process.stderr.write(`  cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
  }
}
