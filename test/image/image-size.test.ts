import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Image } from "../../src/image/image";
import { ImageSize, MAX_FILE_BYTES, MAX_IMAGE_BYTES, MAX_IMAGE_FILES } from "../../src/image/image-size";

const GIB = 1024 ** 3;
const many = (dir: string, count: number, sizeBytes = 1) =>
  Array.from({ length: count }, (_, index) => ({ path: `${dir}/f${index}`, sizeBytes }));

describe("limits", () => {
  it.each<[string, number, number, boolean]>([
    ["bytes at the limit", 4, MAX_IMAGE_BYTES / 4, true],
    ["bytes above it", 4, MAX_IMAGE_BYTES / 4 + 1, false],
    ["files at the limit", MAX_IMAGE_FILES, 1, true],
    ["files above it", MAX_IMAGE_FILES + 1, 1, false],
    ["a file at the limit", 1, MAX_FILE_BYTES, true],
    ["a file above it", 1, MAX_FILE_BYTES + 1, false],
  ])("hold for %s", (_what, count, sizeBytes, fits) => {
    const size = new ImageSize();
    expect(size.take("./app", many("d", count, sizeBytes))).toBe(fits);
    expect(size.problems()).toHaveLength(fits ? 0 : 1);
  });

  it("count all steps together", () => {
    const size = new ImageSize();
    const takes = ["a", "b", "c"].map((path) => size.take(path, [{ path: "", sizeBytes: 4 * GIB }]));
    expect(takes).toEqual([true, true, false]);
    expect(size.problems()[0]).toMatch(/have 12\.0 GiB, more than the 10\.0 GiB of an image/);
  });

  it.each<[string, readonly { path: string; sizeBytes: number }[], string]>([
    [
      "the directory that somebody would leave out",
      [...many("web/app/node_modules/p1", 45_000), ...many("web/app/node_modules/p2", 30_000), ...many("src", 40_000)],
      "./app/web/app/node_modules/p1 (45000 files), ./app/src (40000 files), ./app/web/app/node_modules/p2 (30000 files)",
    ],
    [
      "a directory of many that are alike as one",
      [...Array.from({ length: 50 }, (_, n) => many(`web/node_modules/p${n}`, 2200)).flat(), ...many("src", 10)],
      "./app/web/node_modules (110000 files), ./app/src (10 files)",
    ],
  ])("name %s", (_what, files, largest) => {
    const size = new ImageSize();
    size.take("./app", files);
    expect(size.problems()[0]).toContain(`The largest: ${largest}.`);
  });
});

describe("an image of local files", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "oc-size-"));
    mkdirSync(join(dir, "data"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** Takes no room on the disk, and would take a minute to hash. */
  const makeHole = (name: string, sizeBytes: number) => {
    writeFileSync(join(dir, name), "");
    truncateSync(join(dir, name), sizeBytes);
  };

  it("that is too large is refused before it is read, with its largest paths and what to do", () => {
    for (const name of ["data/a", "data/b"]) makeHole(name, 4 * GIB);
    makeHole("c", 5 * GIB);
    const startedAt = performance.now();
    const resolve = () => Image.base().addLocalDir(dir, "/app").resolve();
    expect(resolve).toThrow(expect.objectContaining({ code: "invalid_input" }));
    expect(resolve).toThrow(`${dir}/c (5.0 GiB), ${dir}/data/a (4.0 GiB), ${dir}/data/b (4.0 GiB)`);
    expect(resolve).toThrow(/\.opencomputerignore/);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it("with a file that is too large names it, whichever way it is added", () => {
    makeHole("data/big", 6 * GIB);
    const big = join(dir, "data/big");
    for (const image of [Image.base().addLocalDir(dir, "/app"), Image.base().addLocalFile(big, "/big")]) {
      expect(() => image.resolve()).toThrow(`${big} has 6.0 GiB, more than the 5.0 GiB of a file`);
    }
  });

  it("fits again with what is ignored", () => {
    makeHole("data/big", 6 * GIB);
    Image.base()
      .addLocalDir(dir, "/app", { ignore: ["data"] })
      .resolve();
  });
});
