import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAbandonedOutput } from "../../../src/engines/local/abandoned-output";
import { createOutputPipes } from "../../../src/engines/local/output-pipes";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-pipes-"));
});
afterEach(() => rmSync(dir, { recursive: true }));
const open = async (count: number) => {
  const pipes = createOutputPipes(dir);
  return Promise.all(Array.from({ length: count }, () => pipes.take({ uid: 0, gid: 0 })));
};

test("writers go on until they close", async () => {
  const [pipe] = await open(1);
  if (!pipe) throw new Error("no pipe");
  createAbandonedOutput().take("a", pipe.source);
  for (let round = 0; round < 5; round++) {
    writeSync(pipe.writeEnd, Buffer.alloc(60_000));
    await pause(120);
  }
  await pipe.handedOver();
  await pause(120);
  expect(pipe.source.destroyed).toBe(true);
});

test("a container has a number of them, and pushes out none of another", async () => {
  const pipes = await open(66);
  const abandoned = createAbandonedOutput();
  const sources = pipes.map(({ source }) => source);
  sources.forEach((source, index) => {
    abandoned.take(index === 0 ? "other" : "greedy", source);
  });
  await pause(10);
  expect(sources.map(({ destroyed }) => destroyed)).toEqual([false, true, ...Array(64).fill(false)]);
  abandoned.close();
  expect(sources.every(({ destroyed }) => destroyed)).toBe(true);
  await Promise.all(pipes.map(({ handedOver }) => handedOver()));
});
