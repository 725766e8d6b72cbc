import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkRunc, checkRuntime, examineRunc } from "../../tools/container-runtime.mjs";
import { GO_TOOLS } from "../../tools/pins.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "container-runtime-"));
  vi.stubEnv("OPENCOMPUTER_CACHE", join(root, "cache"));
  vi.stubEnv("OPENCOMPUTER_ACCEPT_RUNC", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

/** A folder with a runc that only says its version. */
function folderWith(name: string, version: string): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "runc"), `#!/bin/sh\necho "runc version ${version}"\necho "commit: abc"\n`);
  chmodSync(join(folder, "runc"), 0o755);
  return folder;
}

test.each([
  ["runc", /of files \(disk_only\); .*need runsc/],
  ["crun", /of files \(disk_only\); .*need runsc/],
  ["runsc", /of files \(disk_only\) and of memory and processes \(full\)/],
])("%s: it is told what checkpoints keep with it", async (runtime, keeps) => {
  vi.stubEnv("PATH", "/nowhere");
  vi.stubEnv("OPENCOMPUTER_RUNTIME", runtime);
  expect((await checkRuntime()).keeps).toMatch(keeps);
});

test("a runc that is open to known escapes is none, unless that very version was accepted", async () => {
  const path = join(folderWith("own", "1.1.5+test"), "runc");
  for (const accepted of ["", "1.1.5", "1.1.5+test-1"]) {
    vi.stubEnv("OPENCOMPUTER_ACCEPT_RUNC", accepted);
    const note = expect.stringContaining("OPENCOMPUTER_ACCEPT_RUNC=1.1.5+test");
    expect(await examineRunc(path)).toEqual({ ok: false, found: `${path} 1.1.5+test`, note });
  }
  vi.stubEnv("OPENCOMPUTER_ACCEPT_RUNC", "1.1.5+test");
  expect(await examineRunc(path)).toMatchObject({ ok: true, note: expect.stringContaining("CVE-2025-31133") });
});

test("the first that is sound is taken", async () => {
  vi.stubEnv("PATH", [folderWith("old", "1.1.5"), folderWith("new", "1.3.3")].join(delimiter));
  expect(await checkRunc()).toEqual({ ok: true, found: `${join(root, "new", "runc")} 1.3.3` });
});

test.each([
  [`runc-${GO_TOOLS.runc.version}`, true, "pinned"],
  ["runc-v1.0.0", false, "outdated"],
])("one that was built as %s: %s, %s", async (folder, ok, state) => {
  folderWith(join("cache", "tools", folder), "1.1.5");
  mkdirSync(join(root, "cache", "bin"));
  const path = join(root, "cache", "bin", "runc");
  symlinkSync(join(root, "cache", "tools", folder, "runc"), path);
  expect(await examineRunc(path)).toEqual({ ok, found: `${path} (fetched, ${state})` });
});
