import { beforeEach, describe, expect, test } from "vitest";
import { breachOf } from "../../../src/engines/local/disk-quota";
import { type DiskRoom, shortageOf } from "../../../src/engines/local/disk-space";
import { DiskWatch } from "../../../src/engines/local/disk-watch";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

describe("a quota", () => {
  test.each([
    ["nothing", { bytes: 0, files: 0 }, null],
    ["all of it", { bytes: 64 * MIB, files: 4096 }, null],
    ["a byte too many", { bytes: 64 * MIB + 1, files: 1 }, "was over its disk quota of 64 MB: it held 65 MB"],
    [
      "a file too many",
      { bytes: 0, files: 4097 },
      "was over its disk quota of 64 MB, which allows 4096 files: it had 4097",
    ],
  ])("of 64 MB: %s", (_, usage, expected) => {
    expect(breachOf(usage, 64)).toBe(expected);
  });
});

const room = (more: Partial<DiskRoom> = {}): DiskRoom => ({
  ...{ freeBytes: 50 * GIB, sizeBytes: 100 * GIB, freeFiles: 5_000_000, maxFiles: 6_000_000 },
  ...more,
});

test.each([
  ["plenty", room(), undefined],
  ["less than a GiB of a large disk", room({ freeBytes: GIB - 1 }), "bytes"],
  ["more than a twentieth of a small disk", room({ sizeBytes: 400 * MIB, freeBytes: 21 * MIB }), undefined],
  ["less than that", room({ sizeBytes: 400 * MIB, freeBytes: 19 * MIB }), "bytes"],
  ["few inodes", room({ freeFiles: 49_999 }), "files"],
  ["a file system that does not count them", room({ freeFiles: 0, maxFiles: 0 }), undefined],
])("a disk with %s", (_, given, expected) => {
  expect(shortageOf(given)?.of).toBe(expected);
});

describe("the watch", () => {
  let now: number;
  let free: number;
  let held: Record<string, number>;
  let ended: string[];
  let walks: number;
  let walkMs: number;
  let watch: DiskWatch;
  beforeEach(() => {
    [now, free, held, ended, walks, walkMs] = [0, 50 * GIB, { one: 0, two: 0 }, [], 0, 0];
    watch = new DiskWatch({
      space: { room: async () => room({ freeBytes: free }) },
      users: async () =>
        Object.keys(held).map((dir) => ({
          ...{ dir, quotaMB: 10 * 1024 },
          end: async (reason: string) => void ended.push(`${dir} ${reason}`),
        })),
      measure: async (dir) => {
        walks += 1;
        now += walkMs;
        return { bytes: held[dir] ?? 0, files: 1 };
      },
      now: () => now,
    });
  });
  const write = (dir: string, bytes: number) => {
    held[dir] = (held[dir] ?? 0) + bytes;
    free -= bytes;
  };
  const lookAfter = async (ms: number) => {
    now += ms;
    const before = walks;
    await watch.look();
    return walks - before;
  };

  test("ends who is over and nobody else", async () => {
    await lookAfter(0);
    write("one", 9 * GIB);
    write("two", 11 * GIB);
    await lookAfter(5_000);
    expect(ended).toEqual([`two was over its disk quota of 10240 MB: it held ${11 * 1024} MB`]);
  });

  test("walks through nobody's files while nothing is written, but now and then", async () => {
    await lookAfter(0);
    expect(await lookAfter(5_000)).toBe(0);
    expect(await lookAfter(50_000)).toBe(0);
    expect(await lookAfter(5_000)).toBe(2);
  });

  test("walks every 5 s while something is written or deleted", async () => {
    await lookAfter(0);
    for (const bytes of [2 * MIB, -2 * MIB]) {
      write("one", bytes);
      expect(await lookAfter(1_000)).toBe(0);
      expect(await lookAfter(4_000)).toBe(2);
    }
  });

  test("does not wait where much is written at once", async () => {
    await lookAfter(0);
    write("one", 300 * MIB);
    expect(await lookAfter(1_000)).toBe(2);
  });

  test("walks that take long are rare", async () => {
    walkMs = 1_000;
    await lookAfter(0);
    write("one", 2 * MIB);
    expect(await lookAfter(19_000)).toBe(0);
    expect(await lookAfter(1_000)).toBe(2);
  });

  test("where the disk is nearly full, whoever has just written the most is ended, not who holds the most", async () => {
    held["two"] = 9 * GIB;
    free = 3 * GIB;
    await lookAfter(0);
    write("one", 2 * GIB + 100 * MIB);
    write("two", 10 * MIB);
    await lookAfter(1_000);
    expect(ended).toEqual(["one wrote 2148 MB, the most of all, when the disk of its machine had only 914 MB left"]);
  });

  test("where others fill the disk, nobody is ended", async () => {
    free = 3 * GIB;
    await lookAfter(0);
    free -= 2.5 * GIB;
    write("one", 10 * MIB);
    await lookAfter(1_000);
    expect(ended).toEqual([]);
  });

  test("one that is being ended is not ended again", async () => {
    let letGo = () => {};
    held = { one: 11 * GIB };
    watch = new DiskWatch({
      space: { room: async () => room({ freeBytes: free }) },
      users: async () => [
        {
          ...{ dir: "one", quotaMB: 10 * 1024 },
          end: (reason: string) =>
            new Promise<void>((resolve) => {
              ended.push(reason);
              letGo = resolve;
            }),
        },
      ],
      measure: async () => ({ bytes: 11 * GIB, files: 1 }),
      now: () => now,
    });
    for (const _ of [1, 2, 3]) await lookAfter(60_000);
    expect(ended).toHaveLength(1);
    letGo();
  });
});
