import { afterEach, expect, test, vi } from "vitest";
import { checkRuntime, runcNote } from "../../tools/container-runtime.mjs";

test.each([
  ["runc version 1.1.5+ds1", true],
  ["runc version 1.2.7", true],
  ["runc version 1.2.8", false],
  ["runc version 1.3.2", true],
  ["runc version 1.3.3", false],
  ["runc version 1.4.0", false],
])("%s has known holes: %s", (version, hasHoles) => {
  expect(runcNote(version)?.includes("CVE-2025-31133") ?? false).toBe(hasHoles);
});

afterEach(() => {
  vi.unstubAllEnvs();
});

test.each([
  ["runc", /of files \(disk_only\); .*need runsc/],
  ["crun", /of files \(disk_only\); .*need runsc/],
  ["runsc", /of files \(disk_only\) and of memory and processes \(full\)/],
])("%s: it is told what checkpoints keep with it", async (runtime, keeps) => {
  vi.stubEnv("PATH", "/nowhere");
  vi.stubEnv("OPENCOMPUTER_RUNTIME", runtime);
  expect((await checkRuntime()).keeps).toMatch(keeps);
});
