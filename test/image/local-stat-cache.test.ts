import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFileHasher } from "../../src/image/file-hasher";
import { digestOf } from "../../src/image/hash";
import { openLocalFiles } from "../../src/image/local-files";
import { openStatCache } from "../../src/image/stat-cache";

/** As many as make a tree worth a cache. */
const FILES = 120;
const MINUTE_MS = 60_000;

let top: string;
let dir: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "oc-stat-"));
  dir = join(top, "tree");
  mkdirSync(dir);
  for (let index = 0; index < FILES; index++) writeFileSync(fileAt(index), `file ${index}\n`);
  vi.stubEnv("OPENCOMPUTER_CACHE", join(top, "cache"));
  laterBy(MINUTE_MS);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(top, { recursive: true, force: true });
});

const fileAt = (index: number) => join(dir, `f${index}`);
const cacheFiles = () => readdirSync(join(top, "cache", "stat")).map((name) => join(top, "cache", "stat", name));

/** What was just written is not racy a minute later. */
function laterBy(ms: number): void {
  const now = performance.timeOrigin + performance.now() + ms;
  vi.spyOn(Date, "now").mockReturnValue(now);
}

/** One pass over the tree: how many files were hashed, and whether every digest is that of the bytes that are there. */
function pass(): { hashed: number; isTrue: boolean } {
  const hasher = createFileHasher(1);
  let hashed = 0;
  const counting = {
    ...hasher,
    hashAll: (jobs: Parameters<typeof hasher.hashAll>[0]) => {
      hashed += jobs.length;
      return hasher.hashAll(jobs);
    },
  };
  const result = openLocalFiles(undefined, counting).readDir(dir, dir, {}, (message) => expect.fail(message));
  const entries = result?.entries ?? [];
  const isTrue = entries.every(
    (one) => one.kind === "file" && one.digest === digestOf(readFileSync(join(dir, one.path))),
  );
  return { hashed, isTrue: isTrue && entries.length > 0 };
}

/** Long enough for the clock of any file system. */
const tick = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);

describe("a second pass", () => {
  it("hashes nothing that is as it was", () => {
    expect(pass()).toEqual({ hashed: FILES, isTrue: true });
    expect(pass()).toEqual({ hashed: 0, isTrue: true });
  });

  const edits: [string, number, () => void][] = [
    ["an edit of the same size with its time restored", 1, () => editInPlace(3)],
    ["another file in its place, same size and time", 1, () => replace(4)],
    ["a file that swapped places with another", 2, () => swap(5, 6)],
    ["a new modification time", 1, () => utimesSync(fileAt(7), 1, 1)],
    ["permissions", 1, () => chmodSync(fileAt(8), 0o700)],
    ["a new file", 1, () => writeFileSync(join(dir, "new"), "new\n")],
    ["a removed file", 0, () => rmSync(fileAt(9))],
    ["a truncated file", 1, () => truncateSync(fileAt(10), 1)],
    ["nothing, but by another name of the tree", 0, () => utimesSync(dir, 1, 1)],
  ];
  it.each(edits)("sees %s", (_name, expected, edit) => {
    pass();
    tick();
    edit();
    expect(pass()).toEqual({ hashed: expected, isTrue: true });
    expect(pass().isTrue).toBe(true);
  });
});

describe("a cache is not trusted", () => {
  it("when files changed less than two seconds before they were hashed", () => {
    laterBy(1500);
    pass();
    expect(pass()).toEqual({ hashed: FILES, isTrue: true });
    laterBy(MINUTE_MS);
    expect(pass().hashed).toBe(FILES);
    expect(pass().hashed).toBe(0);
  });

  it("for files from the future", () => {
    utimesSync(fileAt(1), new Date("2099-01-01"), new Date("2099-01-01"));
    pass();
    expect(pass()).toEqual({ hashed: 1, isTrue: true });
  });

  it("when the clock was set back since", () => {
    pass();
    laterBy(MINUTE_MS / 2);
    expect(pass()).toEqual({ hashed: FILES, isTrue: true });
  });

  const damages: [string, (text: Buffer) => Buffer | string][] = [
    ["cut short", (text) => text.subarray(0, text.length / 2)],
    ["empty", () => ""],
    ["something else", () => Buffer.from([0xff, 0, 10, 0, 0xfe])],
    ["of another version", (text) => text.toString().replace("stat/1", "stat/2")],
    ["changed in one digest", (text) => text.toString().replace(/sha256:./, "sha256:x")],
    ["without an end of its first line", () => "opencomputer.stat/1 1 x"],
  ];
  it.each(damages)("when it is %s", (_name, damage) => {
    pass();
    for (const file of cacheFiles()) writeFileSync(file, damage(readFileSync(file)));
    expect(pass()).toEqual({ hashed: FILES, isTrue: true });
    expect(pass()).toEqual({ hashed: 0, isTrue: true });
  });
});

describe("a cache does no harm", () => {
  it("when it cannot be written", () => {
    vi.stubEnv("OPENCOMPUTER_CACHE", join(fileAt(0), "cache"));
    expect(pass()).toEqual({ hashed: FILES, isTrue: true });
    expect(pass()).toEqual({ hashed: FILES, isTrue: true });
  });

  it("to small trees: it is not made for them", () => {
    for (let index = 10; index < FILES; index++) rmSync(fileAt(index));
    expect(pass()).toEqual({ hashed: 10, isTrue: true });
    expect(() => cacheFiles()).toThrow(/ENOENT/);
  });

  it("to disks: private files, one a tree, the last used ones are kept", () => {
    const folder = join(top, "stats");
    const one = { path: "f", identity: "1 2 3 4 5", changedAtMs: 0 };
    const digests = new Map([[one, digestOf("f")]]);
    openStatCache(folder, "first").save(digests);
    const first = join(folder, String(readdirSync(folder)[0]));
    expect(statSync(first).mode & 0o777).toBe(0o600);
    utimesSync(first, 1, 1);
    for (let index = 0; index < 70; index++) openStatCache(folder, `tree ${index}`).save(digests);
    expect(readdirSync(folder)).toHaveLength(64);
    expect(openStatCache(folder, "first").find(one)).toBeUndefined();
    expect(openStatCache(folder, "tree 69").find(one)).toBe(digestOf("f"));
    expect(openStatCache(folder, "tree 69").find({ ...one, identity: "1 2 3 4 6" })).toBeUndefined();
  });
});

function editInPlace(index: number): void {
  const { atime, mtime } = statSync(fileAt(index));
  writeFileSync(fileAt(index), `FILE ${index}\n`);
  utimesSync(fileAt(index), atime, mtime);
}

function replace(index: number): void {
  const { atime, mtime } = statSync(fileAt(index));
  const other = join(top, "other");
  writeFileSync(other, `File ${index}\n`);
  utimesSync(other, atime, mtime);
  renameSync(other, fileAt(index));
}

function swap(a: number, b: number): void {
  renameSync(fileAt(a), join(top, "swap"));
  renameSync(fileAt(b), fileAt(a));
  renameSync(join(top, "swap"), fileAt(b));
}
