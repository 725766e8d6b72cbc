import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_INLINE_ENTRIES } from "../../src/image/dir-entry";
import { digestOf } from "../../src/image/hash";
import { Image } from "../../src/image/image";
import type { DirEntry } from "../../src/image/image-manifest";
import { toCanonicalManifest } from "../../src/image/inline-manifest";
import { allDigests, entriesOf, namedDigests, toDirContent } from "../../src/image/tree";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-tree-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const fill = (count: number) => {
  for (let index = 0; index < count; index++) writeFileSync(join(dir, `f${index}`), `content ${index}`);
};
const argsOf = (image: Image) => image.toJSON().steps[0]?.args;

describe("large directories", () => {
  it("stand in the manifest up to the limit, and in a tree above it", () => {
    fill(MAX_INLINE_ENTRIES);
    expect(argsOf(Image.base().addLocalDir(dir, "/app"))).toHaveProperty("entries.length", MAX_INLINE_ENTRIES);
    writeFileSync(join(dir, "one-more"), "");
    expect(argsOf(Image.base().addLocalDir(dir, "/app"))).toEqual({
      path: "/app",
      tree: expect.stringMatching(/^sha256:/),
    });
  });

  it("give their entries and all digests back", async () => {
    fill(MAX_INLINE_ENTRIES + 5);
    const { manifest, findBlob } = Image.base().addLocalDir(dir, "/app").resolve();
    const read = async (digest: string) => Buffer.concat((await findBlob(digest)?.open().toArray()) ?? []);
    const step = manifest.steps[0];
    const entries = step?.type === "add_dir" ? await entriesOf(step.args, read) : [];
    expect(entries).toHaveLength(MAX_INLINE_ENTRIES + 5);
    expect(namedDigests(manifest)).toHaveLength(1);
    const digests = await allDigests(manifest, read);
    expect(digests).toHaveLength(MAX_INLINE_ENTRIES + 6);
    expect(digests.every((digest) => findBlob(digest) !== undefined)).toBe(true);
  });

  const entry = (path: string) => ({ digest: digestOf(path), executable: false, kind: "file" as const, path });
  const many = Array.from({ length: MAX_INLINE_ENTRIES + 1 }, (_, index) => entry(`f${index}`));
  it.each([
    ["no JSON", "tree"],
    ["something else", "{}"],
    ["few enough for the manifest", JSON.stringify([entry("f")])],
    ["spelt in another way", `${toDirContent(many).tree?.bytes} `],
  ])("are refused where their tree is %s: it would be a second identity", async (_what, text) => {
    const args = { path: "/d", tree: digestOf(Buffer.from(text)) };
    await expect(entriesOf(args, async () => Buffer.from(text))).rejects.toThrow(/is no tree/);
  });

  it("have one identity, whoever made the manifest", async () => {
    fill(MAX_INLINE_ENTRIES + 1);
    const ours = Image.base().addLocalDir(dir, "/app").toJSON();
    const files = Array.from({ length: MAX_INLINE_ENTRIES + 1 }, (_, index) => ({
      relativePath: `f${index}`,
      content: Buffer.from(`content ${index}`).toString("base64"),
    }));
    const inline = { base: "base", steps: [{ type: "add_dir", args: { path: "/app", files } }] };
    const stored: string[] = [];
    const keep = async (bytes: Uint8Array) => {
      stored.push(digestOf(bytes));
      return stored.at(-1) ?? "";
    };
    expect(await toCanonicalManifest(inline, keep)).toEqual(ours);
    expect(stored).toEqual(expect.arrayContaining(namedDigests(ours)));
  });

  it("do not depend on the order they are listed in", () => {
    const entries = Array.from({ length: 300 }, (_, index): DirEntry => ({ kind: "dir", path: `d${index}` }));
    expect(toDirContent([...entries].reverse()).tree?.digest).toBe(toDirContent(entries).tree?.digest);
  });

  it("must be a tree in a canonical manifest", async () => {
    const entries = Array.from({ length: 201 }, (_, index) => ({ kind: "dir", path: `d${index}` }));
    const manifest = { base: "base", steps: [{ type: "add_dir", args: { path: "/x", entries } }] };
    await expect(toCanonicalManifest(manifest, async () => "")).rejects.toThrow(/more than 200 entries; use a tree/);
  });
});

describe("mode and owner", () => {
  it("stand in the manifest only where they are given", () => {
    const digest = expect.stringMatching(/^sha256:/);
    expect(argsOf(Image.base().addFile("/a", ""))).toEqual({ path: "/a", digest, executable: false });
    expect(argsOf(Image.base().addFile("/a", "", { mode: 0o640, owner: "root:sandbox" }))).toEqual({
      ...{ path: "/a", digest, executable: false, mode: "0640", owner: "root:sandbox" },
    });
  });

  it("a mode decides over the local executable bit, which then changes nothing", () => {
    mkdirSync(join(dir, "d"));
    writeFileSync(join(dir, "d", "x"), "", { mode: 0o644 });
    const key = () => Image.base().addLocalDir(join(dir, "d"), "/d", { mode: "0700" }).cacheKey();
    const before = key();
    rmSync(join(dir, "d", "x"));
    writeFileSync(join(dir, "d", "x"), "", { mode: 0o755 });
    expect(key()).toBe(before);
  });

  const wrong: [string, object][] = [
    ["a mode that is none", { mode: "rwx" }],
    ["a mode out of range", { mode: 0o100644 }],
    ["an owner with a space", { owner: "a b" }],
  ];
  it.each(wrong)("refuse %s", (_name, options) => {
    expect(() => Image.base().addFile("/a", "", options).toJSON()).toThrow(/steps\[0\]\.args\.(mode|owner)/);
  });
});
