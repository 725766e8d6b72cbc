import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type PrepareBaseOptions,
  type PreparedBase,
  prepareBase,
} from "../../../../src/engines/local/base/prepare-base";
import { makeTinyTree } from "./tiny-tree";

let home: string;
let tree: string;
let counter = 0;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "base-"));
  tree = join(home, "tree");
  mkdirSync(tree);
  makeTinyTree(tree);
  execFileSync("tar", ["--create", "--file", join(home, "tree.tar"), "--directory", tree, "."]);
  execFileSync("tar", ["--create", "--gzip", "--file", join(home, "tree.tar.gz"), "--directory", tree, "."]);
  const layout = join(home, "layout");
  execFileSync("umoci", ["init", "--layout", layout]);
  execFileSync("umoci", ["new", "--image", `${layout}:tiny`]);
  execFileSync("umoci", ["raw", "add-layer", "--image", `${layout}:tiny`, join(home, "tree.tar")]);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

async function prepare(
  source: string,
  changes: Partial<PrepareBaseOptions> = {},
): Promise<PreparedBase & { lines: string[] }> {
  const lines: string[] = [];
  counter += 1;
  const base = await prepareBase({
    source,
    cacheDir: join(home, `cache-${counter}`),
    hostEnv: process.env,
    onProgress: (line) => lines.push(line),
    signal: new AbortController().signal,
    ...changes,
  });
  return { ...base, lines };
}

const facts = (path: string) => {
  const { mode, uid, gid } = lstatSync(path);
  return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
};

describe("a base", () => {
  let base: PreparedBase & { lines: string[] };
  const at = (path: string) => join(base.rootfs, path);
  const text = (path: string) => readFileSync(at(path), "utf8");

  beforeAll(async () => {
    base = await prepare(`tar:${join(home, "tree.tar")}`);
  });

  it.each([
    [".", "755 100000:100000"],
    ["usr/bin/cat", "755 100000:100000"],
    ["usr/bin/sudo", "4755 100000:100000"],
    ["usr/bin/sudo-too", "4755 100000:100000"],
    ["outside", "777 100000:100000"],
    ["home/ubuntu/file", "644 101000:101000"],
    ["home/sandbox", "755 101000:101000"],
    ["home/sandbox/.profile", "644 101000:101000"],
    ["workspace", "755 101000:101000"],
    [".oc", "755 100000:100000"],
    ["tmp", "1777 100000:100000"],
    ["etc/sudoers.d/sandbox", "440 100000:100000"],
    ["etc/shadow", "600 100000:100000"],
  ])("has %s as %s", (path, expected) => {
    expect(facts(at(path))).toBe(expected);
  });

  it("has the user sandbox, who may do everything, with its environment", () => {
    expect(text("etc/passwd")).toContain("sandbox:x:1000:1000::/home/sandbox:/bin/bash\n");
    expect(text("etc/passwd")).not.toContain("ubuntu");
    expect(text("etc/sudoers.d/sandbox")).toContain("sandbox ALL=(ALL:ALL) NOPASSWD:SETENV: ALL\n");
    expect(text("etc/sudoers.d/sandbox")).toContain("!env_reset");
  });

  it("has nothing of the machine or of its making", () => {
    for (const dir of ["dev", "proc", "sys", "run", "tmp", ".oc", "var/lib/apt/lists"])
      expect(readdirSync(at(dir))).toEqual([]);
    expect(lstatSync(at("etc/resolv.conf")).isFile()).toBe(true);
    expect(text("etc/resolv.conf") + text("etc/machine-id")).toBe("");
    expect(existsSync(at("etc/apt/apt.conf.d/99mmdebstrap"))).toBe(false);
    expect(existsSync(at("usr/lib/python3.11/EXTERNALLY-MANAGED"))).toBe(false);
    expect(existsSync(at("usr/lib/whiteout"))).toBe(false);
    expect(lstatSync(at("usr/lib/fifo")).isFIFO()).toBe(true);
    expect(readlinkSync(at("outside"))).toBe("/etc");
    expect(existsSync("/etc/sudoers.d/sandbox")).toBe(false);
  });

  it("is closed to other users of the machine and says what it is", () => {
    expect(facts(join(base.rootfs, ".."))).toBe("700 0:0");
    expect(base.description).toBe(`Tiny 1, from tar:${join(home, "tree.tar")}`);
    expect(base.digest).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("the digest", () => {
  it("is one for the same files, whatever they come in", async () => {
    const sources = [
      `tar:${join(home, "tree.tar")}`,
      `tar:${join(home, "tree.tar.gz")}`,
      `dir:${tree}`,
      `oci:oci:${join(home, "layout")}:tiny`,
    ];
    const digests: string[] = [];
    for (const source of sources) digests.push((await prepare(source)).digest);
    expect(new Set(digests).size).toBe(1);
  });
});

describe("the cache", () => {
  it("is used the second time, without work", async () => {
    const cacheDir = join(home, "shared");
    const first = await prepare(`dir:${tree}`, { cacheDir });
    const second = await prepare(`dir:${tree}`, { cacheDir });
    expect(second).toMatchObject({ rootfs: first.rootfs, digest: first.digest, description: first.description });
    expect(second.lines.join()).not.toContain("copying");
  });

  it("is filled once by two at a time, and freed of what a killed one left", async () => {
    const cacheDir = join(home, "contended");
    mkdirSync(join(cacheDir, "base/unfinished-1/fs"), { recursive: true });
    const source = `tar:${join(home, "tree.tar")}`;
    const [one, two] = await Promise.all([prepare(source, { cacheDir }), prepare(source, { cacheDir })]);
    expect(one.digest).toBe(two.digest);
    expect([...one.lines, ...two.lines].filter((line) => line.includes("unpacking"))).toHaveLength(1);
    expect([...one.lines, ...two.lines].join()).toContain("another process prepares");
    expect(readdirSync(join(cacheDir, "base")).filter((name) => name.startsWith("unfinished"))).toEqual([]);
  });
});

describe("failures", () => {
  it("leave nothing behind", async () => {
    const cacheDir = join(home, "failing");
    writeFileSync(join(home, "broken.tar"), "no archive");
    await expect(prepare(`tar:${join(home, "broken.tar")}`, { cacheDir })).rejects.toMatchObject({
      code: "invalid_input",
    });
    expect(readdirSync(join(cacheDir, "base"))).toEqual(["lock"]);
  });

  it("name what a tree lacks", async () => {
    const empty = join(home, "empty");
    mkdirSync(join(empty, "bin"), { recursive: true });
    writeFileSync(join(empty, "bin/sh"), "");
    await expect(prepare(`dir:${empty}`)).rejects.toThrow(/lacks cat, env, mkdir, find, tar/);
  });

  it.each([
    ["tar:/nowhere.tar", "invalid_input", /is no file/],
    ["dir:/nowhere", "invalid_input", /is no directory/],
    ["ubuntu", "invalid_input", /mmdebstrap:SUITE/],
  ])("%s is %s", async (source, code, message) => {
    const failure = prepare(source);
    await expect(failure).rejects.toMatchObject({ code });
    await expect(failure).rejects.toThrow(message);
  });

  it.each([
    ["oci:example/image", "skopeo"],
    ["mmdebstrap:trixie", "mmdebstrap"],
  ])("%s without %s says so", async (source, tool) => {
    const failure = prepare(source, { hostEnv: { PATH: join(home, "no-tools") } });
    await expect(failure).rejects.toMatchObject({ code: "requirement_missing", details: { tool } });
  });

  it("an abort is an abort", async () => {
    const cacheDir = join(home, "aborted");
    await expect(
      prepare(`tar:${join(home, "tree.tar")}`, { cacheDir, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({
      code: "aborted",
    });
  });
});
