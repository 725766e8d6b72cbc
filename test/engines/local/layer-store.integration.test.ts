import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DamagedLayer } from "../../../src/engines/engine";
import { createHand, type Hand } from "../../../src/engines/local/hand";
import { type LocalHome, localHome } from "../../../src/engines/local/home";
import { createLayerStore, type LayerStore } from "../../../src/engines/local/layer-store";

const PROGRAM = join(__dirname, "../../../dist/agent", process.arch, "opencomputer-hand");
const keyOf = (name: string) => createHash("sha256").update(name).digest("hex");
const KEY = keyOf("a layer");
const signal = new AbortController().signal;

let home: LocalHome;
let hand: Hand;
let layers: LayerStore;
let told: DamagedLayer[];
beforeEach(() => {
  home = localHome(mkdtempSync(join(tmpdir(), "oc-layers-")));
  for (const dir of [home.layers, home.active]) mkdirSync(dir);
  hand = createHand(PROGRAM, join(home.root, "hand.sock"));
  layers = open();
});
afterEach(() => {
  layers.close();
  hand.close();
  rmSync(home.root, { recursive: true, force: true });
});

/** As the next server finds it. */
function open(): LayerStore {
  told = [];
  return createLayerStore({ home, hand, onDamage: (damage) => told.push(damage) });
}

const treeOf = (key: string) => join(home.layers, layers.pathOf(key));

async function make(key: string, on?: readonly string[]): Promise<void> {
  const dir = await layers.begin();
  mkdirSync(join(dir, "fs/etc/deep"), { recursive: true });
  writeFileSync(join(dir, "fs/etc/deep/file"), "hello, world\n");
  // Times of whole seconds are what this language can put back.
  utimesSync(join(dir, "fs/etc/deep/file"), 1e9, 1e9);
  writeFileSync(join(dir, "fs/etc/odd name\n"), "");
  symlinkSync("deep/file", join(dir, "fs/etc/link"));
  linkSync(join(dir, "fs/etc/deep/file"), join(dir, "fs/etc/other"));
  await layers.commit(dir, key, on);
}

/** A layer of which it is written down what it holds, in a store that has not looked at it yet. */
async function made(key = KEY, on?: readonly string[]): Promise<void> {
  await make(key, on);
  expect(await layers.verify(signal)).toEqual([]);
  layers.close();
  layers = open();
}

/** As a disk does it: neither size nor time tells. */
function flipBit(file: string): void {
  const { atime, mtime } = statSync(file);
  const bytes = readFileSync(file);
  bytes[3] = (bytes[3] ?? 0) ^ 4;
  writeFileSync(file, bytes);
  utimesSync(file, atime, mtime);
}

const FILE = "etc/deep/file";

test("what nobody touched is there, for this server and the next, and says no more than it did", async () => {
  await made();
  expect(await layers.has(KEY)).toBe(true);
  expect(await layers.verify(signal)).toEqual([]);
  expect(told).toEqual([]);
  expect(existsSync(home.damaged)).toBe(false);
});

const SEEN_AT_ONCE: readonly [what: string, damage: (tree: string) => void, problem: RegExp][] = [
  ["a file that is shorter", (tree) => truncateSync(join(tree, FILE), 3), /^etc\/deep\/file has another size$/],
  ["a file that is longer", (tree) => appendFileSync(join(tree, FILE), "x"), /another size/],
  ["another mode", (tree) => chmodSync(join(tree, FILE), 0o777), /^etc\/deep\/file has another mode$/],
  ["another owner", (tree) => lchownSync(join(tree, FILE), 0, 7), /another group/],
  ["another time", (tree) => utimesSync(join(tree, FILE), 1, 1), /another time/],
  ["a file that is missing", (tree) => unlinkSync(join(tree, FILE)), /^etc\/deep has another time$/],
  ["a file that was not there", (tree) => writeFileSync(join(tree, "etc/zz"), ""), /^etc has another time$/],
  ["a link to elsewhere", (tree) => retarget(join(tree, "etc/link")), /another time/],
  ["a tree that is missing", (tree) => rmSync(tree, { recursive: true }), /^its files are gone$/],
  ["a record that is missing", (tree) => unlinkSync(join(tree, "../layer.json")), /^its record is gone$/],
  ["a record that is torn", (tree) => truncateSync(join(tree, "../layer.json"), 5), /^its record is gone$/],
];

function retarget(link: string): void {
  unlinkSync(link);
  symlinkSync("/etc/shadow", link);
}

describe("a layer is not there any more with", () => {
  test.each(SEEN_AT_ONCE)("%s", async (_, damage, problem) => {
    await made();
    damage(treeOf(KEY));
    expect(await layers.has(KEY)).toBe(false);
    expect(told).toEqual([
      { key: expect.stringMatching(new RegExp(`^${KEY.slice(0, 16)}`)), problem: expect.anything() },
    ]);
    expect(told[0]?.problem).toMatch(problem);
    expect(readdirSync(home.layers)).toEqual([]);
    // Its place is free.
    await make(KEY);
    expect(await layers.has(KEY)).toBe(true);
    expect(readFileSync(join(treeOf(KEY), FILE), "utf8")).toBe("hello, world\n");
  });

  test("one bit that is another, as soon as everything is read", async () => {
    await made();
    flipBit(join(treeOf(KEY), FILE));
    expect(await layers.verify(signal)).toEqual([{ key: KEY, problem: "etc/deep/file has another content" }]);
    expect(await layers.has(KEY)).toBe(false);
    expect(await layers.damageOf(KEY)).toBe("etc/deep/file has another content");
  });
});

test("nobody waits for a look at thousands of entries: what is found is put aside right after", async () => {
  const dir = await layers.begin();
  for (let number = 0; number < 4000; number += 1) writeFileSync(join(dir, "fs", `${"long".repeat(25)}${number}`), "");
  await layers.commit(dir, KEY);
  expect(await layers.verify(signal)).toEqual([]);
  layers.close();
  layers = open();
  chmodSync(join(treeOf(KEY), `${"long".repeat(25)}77`), 0o777);
  expect(await layers.has(KEY)).toBe(true);
  await expect.poll(() => told, { timeout: 15_000 }).toMatchObject([{ key: KEY }]);
  expect(await layers.has(KEY)).toBe(false);
});

test("what is gone while the server runs is not there, however often it was used", async () => {
  await made();
  expect(await layers.has(KEY)).toBe(true);
  rmSync(treeOf(KEY), { recursive: true });
  expect(await layers.has(KEY)).toBe(false);
  expect(await layers.damageOf(KEY)).toBe("its files are gone");
});

test("what was built on a damaged layer goes with it; what somebody else stands on does not", async () => {
  const [upper, top, other, kept] = ["upper", "top", "other", "kept"].map(keyOf) as [string, string, string, string];
  await make(KEY);
  await make(upper, [KEY]);
  await make(top, [upper]);
  await make(other, [keyOf("elsewhere")]);
  await make(kept);
  await made(keyOf("last"));
  truncateSync(join(treeOf(KEY), FILE), 3);
  expect(await layers.has(KEY)).toBe(false);
  expect((await layers.keys()).sort()).toEqual([other, kept, keyOf("last")].sort());
  expect(await layers.damageOf(top)).toContain("which is damaged");
});

test("a list that was damaged itself says nothing of the layer, and is made again", async () => {
  await made();
  const list = join(treeOf(KEY), "../listing");
  flipBit(list);
  expect(await layers.has(KEY)).toBe(true);
  expect(await layers.verify(signal)).toEqual([]);
  flipBit(join(treeOf(KEY), FILE));
  expect(await layers.verify(signal)).toMatchObject([{ key: KEY }]);
});

test("what was put aside is kept while somebody needs it and it was not made again", async () => {
  await made();
  truncateSync(join(treeOf(KEY), FILE), 3);
  expect(await layers.has(KEY)).toBe(false);
  await layers.collect(new Set([KEY]));
  expect(await layers.damageOf(KEY)).toContain("another size");
  await make(KEY);
  await layers.collect(new Set([KEY]));
  expect(await layers.damageOf(KEY)).toBeNull();
  expect(readdirSync(home.damaged)).toEqual([]);
});

test("a folder that is no layer holds no place", async () => {
  mkdirSync(join(home.layers, KEY.slice(0, 16), "fs"), { recursive: true });
  expect(await layers.has(KEY)).toBe(false);
  await make(KEY);
  expect(await layers.has(KEY)).toBe(true);
});
