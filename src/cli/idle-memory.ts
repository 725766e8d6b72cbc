import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const LOOK_MS = 5_000;
/** Of the time between two looks; a server that has nothing to do is awake for less. */
const IDLE_SHARE = 0.02;
/** Less is not worth the tens of milliseconds that a collection takes. */
const WORTH_BYTES = 16 * 1024 * 1024;

/**
 * Collects garbage once this process has nothing to do: V8 does so when it needs room, and a server that is idle after
 * a burst needs none, so it would keep all that the burst left for as long as it is idle. Returns what ends it.
 */
export function collectWhenIdle(lookMs = LOOK_MS): () => void {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  let keptBytes = 0;
  let before = performance.eventLoopUtilization();
  const look = () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const { heapUsed } = process.memoryUsage();
    keptBytes = Math.min(keptBytes, heapUsed);
    if (utilization > IDLE_SHARE || heapUsed < keptBytes + WORTH_BYTES) return;
    collect();
    // The first one marks what only finalizers held, the second gives it back.
    collect();
    keptBytes = process.memoryUsage().heapUsed;
  };
  const timer = setInterval(look, lookMs).unref();
  return () => clearInterval(timer);
}
