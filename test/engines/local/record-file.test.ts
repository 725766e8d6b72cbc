import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { readRecordFile, writeRecordFile } from "../../../src/engines/local/record-file";

const schema = z.object({ slot: z.int() });
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "oc-record-"));
});
afterEach(() => rm(dir, { recursive: true }));

test("what was written is read, and nothing lies beside it", async () => {
  const file = join(dir, "a.json");
  for (const slot of [1, 2]) {
    await writeRecordFile(file, { slot });
    expect(await readRecordFile(file, schema)).toEqual({ slot });
  }
  expect(await readdir(dir)).toEqual(["a.json"]);
});

test.each([
  ["empty", ""],
  ["torn", '{"slot":'],
  ["NUL bytes, as after a power cut", "\0\0\0\0"],
  ["of another shape", '{"slot":"one"}'],
])("a record that is %s is none", async (_, content) => {
  await writeFile(join(dir, "a.json"), content);
  expect(await readRecordFile(join(dir, "a.json"), schema)).toBeNull();
});

test("a record that is not there is none", async () => {
  expect(await readRecordFile(join(dir, "no.json"), schema)).toBeNull();
});
