import type { BenchServer } from "./bench-server";
import type { Note } from "./benchmark";
import { percentile } from "./statistics";
import { describeMs } from "./target";

/** Creates a sandbox and waits for its first command, and remembers how the time was shared. */
export class FirstAnswer {
  /** How many sandboxes were asked for. */
  asked = 0;
  private readonly creates: number[] = [];
  private readonly execs: number[] = [];

  constructor(
    private readonly server: BenchServer,
    private readonly snapshot: string,
  ) {}

  /** The milliseconds until `true` has answered; the sandbox is removed afterwards, which is not counted. */
  async measure(signal: AbortSignal): Promise<number> {
    const { api } = this.server;
    this.asked += 1;
    const startedMs = performance.now();
    const { sandboxID } = await api.createSandbox({ snapshot: this.snapshot }, { signal });
    try {
      const createdMs = performance.now();
      const { exitCode } = await api.exec(sandboxID, { cmd: "true" }, { signal });
      const endedMs = performance.now();
      if (exitCode !== 0) throw new Error(`the first command of sandbox ${sandboxID} ended with ${exitCode}`);
      this.creates.push(createdMs - startedMs);
      this.execs.push(endedMs - createdMs);
      return endedMs - startedMs;
    } finally {
      await api.killSandbox(sandboxID);
    }
  }

  /** How many of them answered. */
  get answered(): number {
    return this.execs.length;
  }

  /** Where the time goes, by the medians; nothing where nothing was measured. */
  describe(about: string): Note[] {
    if (this.execs.length === 0) return [];
    const median = (series: readonly number[]) => describeMs(percentile(series, 0.5));
    return [{ about, text: `create ${median(this.creates)}, first command ${median(this.execs)}` }];
  }
}
