import { appendFileSync, lstatSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFileHasher, type HashJob } from "../../src/image/file-hasher";
import { digestOf } from "../../src/image/hash";
import { identityOf } from "../../src/image/hash-batch.cjs";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-hash-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const toJob = (file: string): HashJob => {
  const stat = lstatSync(file, { bigint: true });
  return { file, sizeBytes: Number(stat.size), identity: identityOf(stat) };
};

/** Files of different sizes, the last ones large enough for threads to be worth it. */
function makeFiles(sizes: readonly number[]): string[] {
  return sizes.map((size, index) => {
    const file = join(dir, `f${index}`);
    writeFileSync(file, `file ${index}\n`);
    truncateSync(file, size);
    return file;
  });
}

const MIB = 1024 * 1024;
const contentOf = (index: number, size: number) =>
  Buffer.concat([Buffer.from(`file ${index}\n`), Buffer.alloc(size)]).subarray(0, size);

describe("hashing", () => {
  it("starts threads for large batches only", () => {
    // The first test: threads of another one would still be ending.
    const countThreads = () => readdirSync("/proc/self/task").length;
    const before = countThreads();
    const hasher = createFileHasher(3);
    hasher.hashAll(makeFiles([10, MIB]).map(toJob));
    expect(countThreads()).toBe(before);
    hasher.hashAll(makeFiles([34 * MIB]).map(toJob));
    expect(countThreads()).toBeGreaterThanOrEqual(before + 2);
    hasher.close();
  });

  it.each([1, 2, 4])("gives digests in the order of the jobs on %i threads, batch after batch", (threads) => {
    const sizes = [0, 7, 300_000, 262_144, 17 * MIB, 17 * MIB];
    const jobs = makeFiles(sizes).map(toJob);
    const expected = sizes.map((size, index) => ({ kind: "hashed", digest: digestOf(contentOf(index, size)) }));
    const hasher = createFileHasher(threads);
    try {
      expect(hasher.hashAll(jobs)).toEqual(expected);
      expect(hasher.hashAll(jobs)).toEqual(expected);
      expect(hasher.hashAll([])).toEqual([]);
    } finally {
      hasher.close();
    }
  });

  it.each([1, 3])("tells what changed and what cannot be read, on %i threads", (threads) => {
    const [grown, shrunk, replaced, removed, same, large] = makeFiles([10, 10, 10, 10, 10, 34 * MIB]).map(toJob);
    appendFileSync(String(grown?.file), "x");
    truncateSync(String(shrunk?.file), 1);
    rmSync(String(replaced?.file));
    writeFileSync(String(replaced?.file), "0123456789");
    rmSync(String(removed?.file));
    const hasher = createFileHasher(threads);
    const jobs = [grown, shrunk, replaced, removed, same, large].flatMap((job) => job ?? []);
    const outcomes = hasher.hashAll(jobs);
    hasher.close();
    expect(outcomes.map((one) => one.kind)).toEqual([
      "changed",
      "changed",
      "changed",
      "unreadable",
      "hashed",
      "hashed",
    ]);
  });
});

describe("a file's identity", () => {
  it.each(["size", "mtimeNs", "ctimeNs", "ino", "dev"] as const)("is another with another %s", (field) => {
    const [file = ""] = makeFiles([1]);
    const stat = lstatSync(file, { bigint: true });
    expect(identityOf({ ...stat, [field]: stat[field] + 1n } as typeof stat)).not.toBe(identityOf(stat));
  });
});
