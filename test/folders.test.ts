import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolders } from "../src/folders";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-folders-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("makes all that is missing, with their mode, and leaves what is there", async () => {
  await makeFolders(join(dir, "a", "b", "c"), 0o700);
  expect(statSync(join(dir, "a", "b")).mode & 0o777).toBe(0o700);
  await makeFolders(join(dir, "a", "b", "c"), 0o755);
  expect(statSync(join(dir, "a", "b", "c")).mode & 0o777).toBe(0o700);
});

test("says what is in the way, and asks for it once", async () => {
  writeFileSync(join(dir, "file"), "");
  symlinkSync(join(dir, "nowhere"), join(dir, "link"));
  await expect(makeFolders(join(dir, "file", "a"))).rejects.toThrow("ENOTDIR");
  await expect(makeFolders(join(dir, "link", "a", "b"))).rejects.toThrow("is no folder");
});
