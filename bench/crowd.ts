import { setTimeout as sleep } from "node:timers/promises";
import type { BenchRun } from "./bench-run";
import type { BenchServer } from "./bench-server";
import { type Figures, toFigures } from "./statistics";

export interface CrowdOptions {
  readonly snapshot: string;
  readonly count: number;
  /** Between one request and the next; 0 is all at once. */
  readonly everyMs: number;
}

/** What became of many creates. */
export interface Crowd {
  /** From each request to its first command's answer, of those that got one. */
  readonly figures: Figures;
  readonly asked: number;
  readonly done: number;
  /** The first of what went wrong. */
  readonly failure?: string;
}

/** Asks for many sandboxes without waiting for one another; all stay until the last has answered. */
export async function createCrowd(
  run: BenchRun,
  server: BenchServer,
  name: string,
  options: CrowdOptions,
): Promise<Crowd> {
  const { snapshot, count, everyMs } = options;
  const { api } = server;
  const ids: string[] = [];
  const one = async (index: number) => {
    await sleep(index * everyMs, undefined, { signal: run.signal });
    const startedMs = performance.now();
    const { sandboxID } = await api.createSandbox({ snapshot }, { signal: run.signal });
    ids.push(sandboxID);
    const { exitCode } = await api.exec(sandboxID, { cmd: "true" }, { signal: run.signal });
    if (exitCode !== 0) throw new Error(`the first command of sandbox ${sandboxID} ended with ${exitCode}`);
    return performance.now() - startedMs;
  };
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, index) => one(index)));
  run.signal.throwIfAborted();
  await Promise.all(ids.map((id) => api.killSandbox(id)));
  const times = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  const failure = failed && (failed.reason instanceof Error ? failed.reason.message : String(failed.reason));
  return {
    figures: toFigures(name, times),
    asked: count,
    done: times.length,
    ...(failure === undefined ? {} : { failure }),
  };
}
