import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Image } from "../../src/image/image";
import { parseManifest } from "../../src/image/manifest";
import vectors from "./file-vectors.json";
import manifests from "./vectors.json";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-vectors-"));
  vi.stubEnv("OPENCOMPUTER_CACHE", join(dir, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

describe("golden manifests", () => {
  it.each(Object.entries(manifests))("are in canonical form: %s", (_name, { manifest }) => {
    expect(parseManifest(manifest)).toEqual(manifest);
  });
});

describe("golden digests", () => {
  it.each(Object.entries(vectors.files))("of a file: %s", (_name, { repeat, times, digest }) => {
    writeRepeated(join(dir, "file"), repeat, times);
    const [step] = Image.base().addLocalFile(join(dir, "file"), "/file").toJSON().steps;
    expect(step?.args).toEqual({ path: "/file", digest, executable: false });
  });

  it(`of a tree: ${vectors.tree.about}`, () => {
    const digits = (number: number) => String(number).padStart(2, "0");
    for (let folder = 0; folder < 100; folder++)
      mkdirSync(join(dir, "tree", `d${digits(folder)}`), { recursive: true });
    for (let index = 0; index < 10_000; index++) {
      const path = `d${digits(Math.floor(index / 100))}/f${digits(index % 100)}.txt`;
      writeFileSync(join(dir, "tree", path), `${path}\n`, { mode: index % 10 === 0 ? 0o755 : 0o644 });
    }
    const resolved = Image.base().addLocalDir(join(dir, "tree"), "/data").resolve();
    expect(resolved.manifest.steps[0]?.args).toEqual({ path: "/data", tree: vectors.tree.digest });
    expect(resolved.contentHash).toBe(vectors.tree.hash);
    expect(resolved.findBlob(vectors.tree.digest)?.sizeBytes).toBeGreaterThan(1_000_000);
  });
});

/** In pieces of about a mebibyte. */
function writeRepeated(file: string, text: string, times: number): void {
  const atOnce = Math.max(1, Math.floor(1_048_576 / Math.max(1, text.length)));
  const fd = openSync(file, "w");
  for (let left = times; left > 0; left -= atOnce) writeSync(fd, text.repeat(Math.min(left, atOnce)));
  closeSync(fd);
}
