import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createRemovals } from "../../../src/engines/local/removals";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-removals-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test("a small tree is gone at once, one that is not there is fine", async () => {
  mkdirSync(join(dir, "a/b"), { recursive: true });
  writeFileSync(join(dir, "a/b/c"), "");
  const removals = createRemovals();
  await removals.remove(join(dir, "a"));
  expect(existsSync(join(dir, "a"))).toBe(false);
  await removals.remove(join(dir, "a"));
  await removals.close();
});

test("a large one keeps nobody but who waits for the end", async () => {
  let finish = () => {};
  const removed = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const slow = createRemovals(() => removed);
  await slow.remove(dir);
  let isClosed = false;
  const closed = slow.close().then(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isClosed).toBe(false);
  finish();
  await closed;
});
