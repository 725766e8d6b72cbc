import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { treeDigest } from "../../../../src/engines/local/base/tree-digest";

const { signal } = new AbortController();
let root: string;
const at = (path: string) => join(root, path);

function replace(path: string, make: (path: string) => void): void {
  unlinkSync(at(path));
  make(at(path));
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tree-"));
  chmodSync(root, 0o755);
  mkdirSync(at("dir"));
  writeFileSync(at("dir/file"), "content");
  writeFileSync(at("dir.txt"), "content");
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x0a, 0xe4])]), "a name that is no text");
  symlinkSync("dir/file", at("link"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("treeDigest changes with", () => {
  it.each<[string, () => void]>([
    ["content", () => writeFileSync(at("dir/file"), "Content")],
    ["a mode", () => chmodSync(at("dir/file"), 0o755)],
    ["a set-user-id bit", () => chmodSync(at("dir/file"), 0o4644)],
    ["a directory's mode", () => chmodSync(at("dir"), 0o700)],
    ["the root's mode", () => chmodSync(root, 0o700)],
    ["a name", () => renameSync(at("dir/file"), at("dir/File"))],
    ["a place", () => renameSync(at("dir/file"), at("file"))],
    ["an addition", () => writeFileSync(at("empty"), "")],
    ["an empty directory", () => mkdirSync(at("empty"))],
    ["a removal", () => unlinkSync(at("dir.txt"))],
    ["a link's target", () => replace("link", (path) => symlinkSync("dir", path))],
    ["a kind", () => replace("link", (path) => writeFileSync(path, "dir/file", { mode: 0o777 }))],
  ])("%s", async (_name, change) => {
    const before = await treeDigest(root, 0, signal);
    change();
    expect(await treeDigest(root, 0, signal)).not.toBe(before);
  });
});

describe("treeDigest does not change with", () => {
  it.each<[string, () => void]>([
    ["nothing", () => undefined],
    ["times", () => utimesSync(at("dir/file"), 1, 1)],
    ["hard links", () => replace("dir.txt", (path) => linkSync(at("dir/file"), path))],
    ["the order of creation", () => replace("dir/file", (path) => writeFileSync(path, "content"))],
  ])("%s", async (_name, change) => {
    const before = await treeDigest(root, 0, signal);
    change();
    expect(await treeDigest(root, 0, signal)).toBe(before);
  });
});

it("is an abort when the signal has fired", async () => {
  await expect(treeDigest(root, 0, AbortSignal.abort())).rejects.toMatchObject({ code: "aborted" });
});
