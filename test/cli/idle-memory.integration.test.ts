import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/client/package-root";

const MODULE = join(packageRoot(), "dist", "src", "cli", "idle-memory.js");

/** Makes 100 MB of garbage, is idle or busy for a while, and prints whether it was made to collect. */
const program = (work: string) => `
  const { constants, PerformanceObserver } = require("node:perf_hooks");
  let wasForced = false;
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) wasForced ||= (detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) > 0;
  }).observe({ entryTypes: ["gc"] });
  const stop = require(${JSON.stringify(MODULE)}).collectWhenIdle(100);
  let kept = Array.from({ length: 2e6 }, (_, index) => ({ index }));
  const before = process.memoryUsage().heapUsed;
  kept = undefined;
  ${work}
  setTimeout(() => {
    stop();
    const freedMb = Math.round((before - process.memoryUsage().heapUsed) / 1e6);
    console.log(JSON.stringify({ wasForced, freedMb }));
    process.exit();
  }, 1500);`;

const outcome = async (work: string) =>
  JSON.parse((await promisify(execFile)(process.execPath, ["-e", program(work)])).stdout) as Record<string, unknown>;

test("a process that has nothing to do gives its garbage back", async () => {
  const { wasForced, freedMb } = await outcome("");
  expect(wasForced).toBe(true);
  expect(freedMb).toBeGreaterThan(50);
});

test("one that works is not held up", async () => {
  const busy = "setInterval(() => { const end = performance.now() + 15; while (performance.now() < end); }, 20);";
  expect(await outcome(busy)).toMatchObject({ wasForced: false });
});
