import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";
import { digestOf } from "../../src/image/hash";
import { verifiedBytes } from "../../src/server/services/verified-bytes";

const dir = mkdtempSync(join(tmpdir(), "oc-bytes-"));
const path = join(dir, "bytes");
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const bytes = Buffer.alloc(300_000, "hello");
const read = () => buffer(verifiedBytes(path, digestOf(bytes), async () => new Error("other bytes")));

test("bytes that have their digest come whole", async () => {
  writeFileSync(path, bytes);
  expect((await read()).equals(bytes)).toBe(true);
});

test.each([
  ["one bit", (changed: Buffer) => changed.fill(0x69, 299_999)],
  ["fewer bytes", (changed: Buffer) => changed.subarray(1)],
])("others end with an error: %s", async (_, change) => {
  writeFileSync(path, change(Buffer.from(bytes)));
  await expect(read()).rejects.toThrow("other bytes");
});
