import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ARCHIVE_LIMITS, checkArchive } from "../../../../src/engines/local/base/archive-check";
import { type PreparedBase, prepareBase } from "../../../../src/engines/local/base/prepare-base";
import { toolEnv } from "../../../../src/engines/local/base/run-tool";
import { OpenComputerError } from "../../../../src/errors";
import { Canary, escaped } from "../../../fixtures/canary";
import { type EvilTar, evilTars, GOOD, reachingEntries } from "../../../fixtures/evil-tars";
import { type TarEntry, toTar } from "../../../fixtures/tar-writer";

let home: string;
let canary: Canary;
let counter = 0;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "evil-tars-"));
  canary = new Canary(join(home, "canary"));
});
afterEach(() => expect([...canary.changes(), ...escaped()]).toEqual([]));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const signal = new AbortController().signal;

/** What comes of it; a refusal leaves nothing. */
async function prepare(source: string): Promise<PreparedBase | OpenComputerError> {
  counter += 1;
  const cacheDir = join(home, `cache-${counter}`);
  try {
    return await prepareBase({ source, cacheDir, hostEnv: process.env, onProgress: () => undefined, signal });
  } catch (error) {
    expect(readdirSync(join(cacheDir, "base"))).toEqual(["lock"]);
    if (error instanceof OpenComputerError) return error;
    throw error;
  }
}

function keep(bytes: Buffer): string {
  counter += 1;
  const archive = join(home, `${counter}.tar`);
  writeFileSync(archive, bytes);
  return archive;
}

/** Neither set-user-id of somebody outside, nor devices, nor what an overlay would obey. */
function expectHarmless(base: PreparedBase): void {
  const found = spawnSync("find", [
    base.rootfs,
    "-xdev",
    "(",
    "-type",
    "b",
    "-o",
    "-type",
    "c",
    "-o",
    "-uid",
    "-100000",
    ")",
  ]);
  expect(found.stdout.toString()).toBe("");
  const packed = spawnSync("tar", ["--create", "--xattrs", "--xattrs-include=*", "--file", "-", base.rootfs]);
  expect(packed.stdout.length).toBeGreaterThan(0);
  expect(packed.stdout.includes("SCHILY.xattr")).toBe(false);
}

describe("an archive:", () => {
  const all = evilTars("/nowhere").map(({ what }, index) => [what, index] as const);
  let archives: EvilTar[];
  beforeAll(() => {
    archives = evilTars(canary.dir);
  });
  test.each(all)("%s", async (_, index) => {
    const { bytes, outcome } = archives[index] as EvilTar;
    const result = await prepare(`tar:${keep(bytes)}`);
    if (outcome === "base") expectHarmless(result as PreparedBase);
    else expect(result).toMatchObject({ code: "invalid_input", message: expect.stringMatching(outcome) });
  });

  const reaching = reachingEntries("/nowhere").map((entries, index) => [describeEntries(entries), index] as const);
  test.each(reaching)("%s", async (_, index) => {
    const entries = reachingEntries(canary.dir)[index] ?? [];
    const result = await prepare(`tar:${keep(toTar([...GOOD, ...entries]))}`);
    if (result instanceof OpenComputerError) expect(result.code).toBe("invalid_input");
    else expectHarmless(result);
  });

  test("of more entries than a base has", async () => {
    const path = keep(toTar(Array.from({ length: 1_001 }, (_, index) => ({ name: `${index}` }))));
    const check = { path, label: "it", env: toolEnv(process.env), signal };
    await expect(checkArchive({ ...check, limits: { ...ARCHIVE_LIMITS, entries: 1_000 } })).rejects.toMatchObject({
      code: "invalid_input",
      message: "it cannot be a base: it has more than 1000 entries. Choose another OPENCOMPUTER_BASE.",
    });
    await checkArchive(check);
  });
});

describe("an image in layers:", () => {
  /** A good layer below one for each group. */
  function imageOf(groups: readonly (readonly TarEntry[])[]): string {
    counter += 1;
    const layout = join(home, `layout-${counter}`);
    const umoci = (...args: string[]) => execFileSync("umoci", args, { stdio: "pipe" });
    umoci("init", "--layout", layout);
    umoci("new", "--image", `${layout}:evil`);
    for (const entries of [GOOD, ...groups])
      umoci("raw", "add-layer", "--image", `${layout}:evil`, keep(toTar(entries)));
    return `oci:oci:${layout}:evil`;
  }

  // In pairs, so that what one layer leaves is what the next one goes through.
  const reaching = reachingEntries("/nowhere").flatMap((entries, index) =>
    index % 4 === 0 ? [[describeEntries(entries), index] as const] : [],
  );
  test.each(reaching)("%s", async (_, index) => {
    const groups = reachingEntries(canary.dir).slice(index, index + 4);
    const result = await prepare(imageOf(groups));
    if (result instanceof OpenComputerError) expect(result.code).toBe("invalid_input");
    else expectHarmless(result);
  });

  test("links of one layer, gone through by the next", async () => {
    const link = (name: string, linkname: string) => ({ name, type: "2", linkname });
    const image = imageOf([
      [link("out", canary.dir), link("up", `../../../../../..${canary.dir}`), link("root", "/")],
      [{ name: "out/oc-slip" }, { name: "up/.wh.file" }, { name: "up/.wh..wh..opq" }],
      [{ name: `root${canary.dir}/oc-slip` }, { name: `root/${canary.dir}/.wh.sub` }],
    ]);
    const result = await prepare(image);
    if (result instanceof OpenComputerError) expect(result.code).toBe("invalid_input");
    else expectHarmless(result);
  });

  test("a layer that is larger than a base", async () => {
    const hole = { name: "bomb", sizeBytes: 40 * 1024 ** 3 };
    expect(await prepare(imageOf([[hole]]))).toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/a layer of .* cannot be a base: bomb has 40\.0 GiB/),
    });
  });
});

function describeEntries(entries: readonly TarEntry[]): string {
  return entries.map(({ name, type = "0" }) => `${type} ${JSON.stringify(name.toString()).slice(0, 40)}`).join(", ");
}
