import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { smallTree, syncAll } from "../../../src/engines/local/small-tree";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "small-tree-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("every directory and file is among the paths, with what they take", async () => {
  mkdirSync(join(root, "a/b"), { recursive: true });
  writeFileSync(join(root, "a/b/file"), "x".repeat(10_000));
  const tree = await smallTree(root);
  expect([...(tree?.paths ?? [])].sort()).toEqual(["", "/a", "/a/b", "/a/b/file"].map((path) => `${root}${path}`));
  expect(tree?.sizeBytes).toBeGreaterThanOrEqual(10_000);
  await syncAll(tree?.paths ?? []);
});

test.each([
  ["many files", () => Array.from({ length: 64 }, (_, index) => writeFileSync(join(root, `f${index}`), ""))],
  ["many bytes", () => writeFileSync(join(root, "big"), Buffer.alloc(17 * 1024 * 1024, 1))],
  ["a link, which nothing can sync", () => symlinkSync("/etc/passwd", join(root, "link"))],
])("a tree with %s is none", async (_, fill) => {
  fill();
  expect(await smallTree(root)).toBeNull();
});
