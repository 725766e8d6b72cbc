import { setTimeout as sleep } from "node:timers/promises";
import type { ServerApi } from "../src/api/contract";
import type { CheckpointInfo, CheckpointKind } from "../src/api/records";
import type { BenchServer } from "./bench-server";
import type { Note } from "./benchmark";
import { percentile } from "./statistics";
import { describeMs } from "./target";

const TIMEOUT_MS = 300_000;
const POLL_MS = 5;

/** Takes checkpoints of sandboxes, waits until they are ready, and remembers how the time was shared. */
export class CheckpointTaker {
  private readonly api: ServerApi;
  private readonly answers: number[] = [];
  private readonly waits: number[] = [];

  constructor({ api }: BenchServer) {
    this.api = api;
  }

  /** Resolves when the checkpoint is ready. @throws where it fails */
  async take(sandboxId: string, kind: CheckpointKind, signal: AbortSignal): Promise<CheckpointInfo> {
    const startedMs = performance.now();
    const { id } = await this.api.createCheckpoint(sandboxId, { name: `bench-${startedMs}`, kind }, { signal });
    const answeredMs = performance.now();
    const info = await this.untilReady(id, signal);
    this.answers.push(answeredMs - startedMs);
    this.waits.push(performance.now() - answeredMs);
    return info;
  }

  /** Where the time goes, by the medians; nothing where nothing was measured. */
  describe(about: string): Note[] {
    if (this.waits.length === 0) return [];
    const median = (series: readonly number[]) => describeMs(percentile(series, 0.5));
    return [{ about, text: `begun after ${median(this.answers)}, ready ${median(this.waits)} later` }];
  }

  private async untilReady(id: string, signal: AbortSignal): Promise<CheckpointInfo> {
    for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      const info = await this.api.getCheckpoint(id, { signal });
      if (info.status === "ready") return info;
      if (info.status === "failed") throw new Error(`the checkpoint failed: ${info.errorMsg ?? "no reason given"}`);
    }
    throw new Error(`the checkpoint is not ready after ${TIMEOUT_MS / 1000} s`);
  }
}
