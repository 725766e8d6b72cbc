import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { FAILPOINTS, type Failpoint } from "../src/failpoint";

const SOURCES = join(__dirname, "..", "src");

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  vi.resetModules();
});

/** How often a process that was started so would have ended. */
async function ends(setting: string, ...passed: readonly Failpoint[]): Promise<number> {
  vi.stubEnv("OPENCOMPUTER_FAILPOINT", setting);
  vi.resetModules();
  const kill = vi.spyOn(process, "kill").mockReturnValue(true);
  const { failpoint } = await import("../src/failpoint.js");
  for (const name of passed) failpoint(name);
  for (const call of kill.mock.calls) expect(call).toEqual([process.pid, "SIGKILL"]);
  return kill.mock.calls.length;
}

test.each<[string, readonly Failpoint[], number]>([
  ["", ["build.made", "layer.synced"], 0],
  ["build.made", ["layer.synced", "build.saved"], 0],
  ["build.made", ["layer.synced", "build.made"], 1],
  ["build.made:2", ["build.made"], 0],
  ["build.made:2", ["build.made", "layer.synced", "build.made"], 1],
  ["nowhere", ["build.made"], 0],
])("%j, past %j: ends %d times", async (setting, passed, count) => {
  expect(await ends(setting, ...passed)).toBe(count);
});

test("each stands somewhere", () => {
  const files = readdirSync(SOURCES, { recursive: true, withFileTypes: true }).filter(({ name }) =>
    name.endsWith(".ts"),
  );
  const text = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8")).join("\n");
  expect(FAILPOINTS.filter((name) => !text.includes(`failpoint("${name}")`))).toEqual([]);
  expect([...FAILPOINTS].sort()).toEqual([...new Set(FAILPOINTS)].sort());
});
