import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createStacks, flattenedKeys } from "../../../src/engines/local/flatten";
import { createHand, type Hand } from "../../../src/engines/local/hand";
import { type LocalHome, localHome } from "../../../src/engines/local/home";
import { createLayerStore, type LayerStore } from "../../../src/engines/local/layer-store";
import { mountOverlay, unmount } from "../../../src/engines/local/mounts";

const PROGRAM = join(__dirname, "../../../dist/agent", process.arch, "opencomputer-hand");
const overlay = { uuidNull: true, byOption: true };
const keyOf = (index: number) => createHash("sha256").update(`layer ${index}`).digest("hex");

let home: LocalHome;
let hand: Hand;
let layers: LayerStore;
beforeEach(() => {
  home = localHome(mkdtempSync(join(tmpdir(), "oc-flatten-")));
  for (const dir of [home.layers, home.active, join(home.root, "at")]) mkdirSync(dir);
  hand = createHand(PROGRAM, join(home.root, "hand.sock"));
  layers = createLayerStore({ home, hand, onDamage: () => undefined });
});
afterEach(() => {
  layers.close();
  hand.close();
  rmSync(home.root, { recursive: true, force: true });
});

/** Mounts a stack, with the changes going to `upper`, and does something there. */
async function onStack<T>(keys: readonly string[], dir: string, work: (at: string) => T): Promise<T> {
  const at = join(home.root, "at");
  mkdirSync(join(dir, "work"));
  const lowers = keys.map((key) => layers.pathOf(key));
  await mountOverlay(hand, at, home.layers, {
    lowers,
    upper: join(dir, "fs"),
    work: join(dir, "work"),
    flavour: overlay,
  });
  try {
    return work(at);
  } finally {
    await unmount(hand, at);
  }
}

/** Makes a layer of what `change` does on top of others. */
async function addLayer(below: readonly string[], index: number, change: (at: string) => void) {
  const dir = await layers.begin();
  if (below.length === 0) change(join(dir, "fs"));
  else await onStack(below, dir, change);
  await layers.adopt(dir, keyOf(index), 0);
  return [...below, keyOf(index)];
}

/** Every name, kind, owner, mode, time, byte, link and extended attribute of a stack. */
async function contentOf(keys: readonly string[]): Promise<string> {
  const dir = await layers.begin();
  const flags = [
    "--sort=name",
    "--format=pax",
    "--pax-option=delete=atime,delete=ctime",
    "--xattrs",
    "--xattrs-include=*",
  ];
  // Not the root itself: it is that of the new upper directory.
  const read = (at: string) =>
    execFileSync("tar", [...flags, "-C", at, "-c", ...readdirSync(at)], { maxBuffer: 2 ** 28 });
  const bytes = await onStack(keys, dir, read);
  await layers.discard(dir);
  const names = execFileSync("tar", ["-tvf", "-", "--full-time"], { input: bytes, maxBuffer: 2 ** 28 }).toString();
  return `${createHash("sha256").update(bytes).digest("hex")}\n${names}`;
}

/** The same numbers for the same seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** One of the things that happen to trees, at one of a few places, so that they meet. What does not go is not done. */
function disturb(at: string, roll: (sides: number) => number): void {
  const place = () => join(at, ...Array.from({ length: 2 + roll(3) }, () => "abc"[roll(3)] ?? "a"));
  const [here, there, number] = [place(), place(), roll(1000)];
  const remove = () => rmSync(here, { recursive: true, force: true });
  const deeds = [
    () => mkdirSync(here, { recursive: true }),
    () => mkdirSync(here, { recursive: true }),
    () => writeFileSync(here, `${number}`),
    () => writeFileSync(here, `${number}`),
    () => remove(),
    () => [remove(), mkdirSync(here)],
    () => [remove(), writeFileSync(here, `${number}`)],
    () => writeFileSync(here, `${number}`),
    () => [symlinkSync("nowhere", `${here}l`), lutimesSync(`${here}l`, number, number)],
    () => [lchownSync(here, 100_000 + number, 100_007), chmodSync(here, 0o700 + roll(64))],
    () => renameSync(here, there),
    () => linkSync(here, there),
  ];
  try {
    deeds[roll(deeds.length)]?.();
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toMatch(/^E(NOENT|EXIST|NOTDIR|ISDIR|NOTEMPTY|XDEV|PERM|INVAL)$/);
  }
}

async function randomStack(seed: number, count: number): Promise<string[]> {
  const roll = dice(seed);
  let stack: string[] = [];
  for (let index = 0; index < count; index++) {
    stack = await addLayer(stack, index, (at) => {
      for (let step = 0; step < 12; step++) disturb(at, roll);
    });
  }
  return stack;
}

function setAttribute(path: string, name: string, value: string): void {
  const program = "import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())";
  execFileSync("python3", ["-c", program, path, name, value]);
}

test.each([1, 2, 3, 4])("a deep stack is the same tree, flattened (seed %i)", async (seed) => {
  const stack = await randomStack(seed, 70);
  const stacks = createStacks({ home, hand, layers, overlay });
  const expected = await contentOf(stack);
  expect(await stacks.toMount(stack)).toEqual(stack);
  await stacks.close();
  const flat = await stacks.toMount(stack);
  expect(flat).toEqual([keyOf(0), ...flattenedKeys(stack), ...stack.slice(65)]);
  expect(flat).toHaveLength(8);
  expect(await contentOf(flat)).toBe(expected);
  expect(readdirSync(home.active)).toEqual([]);
});

test("what hides, hides no less and no more, also where no kernel made the layers", async () => {
  const opaque = (dir: string) => setAttribute(dir, "trusted.overlay.opaque", "y");
  const whiteout = (path: string) => execFileSync("mknod", [path, "c", "0", "0"]);
  const changes: ((fs: string) => void)[] = [
    (fs) => ["x/below", "y/below"].map((path) => mkdirSync(join(fs, path), { recursive: true })),
    (fs) => [mkdirSync(join(fs, "new")), writeFileSync(join(fs, "new/gone"), ""), opaque(join(fs, "new"))],
    (fs) => [mkdirSync(join(fs, "new")), whiteout(join(fs, "new/gone"))],
    (fs) => [whiteout(join(fs, "x")), rmSync(join(fs, "y"), { force: true }), writeFileSync(join(fs, "y"), "")],
    (fs) => ["x", "y"].map((name) => mkdirSync(join(fs, name))),
  ];
  let stack: string[] = [];
  for (let index = 0; index < 66; index++) {
    const dir = await layers.begin();
    changes[index]?.(join(dir, "fs"));
    await layers.adopt(dir, keyOf(index), 0);
    stack = [...stack, keyOf(index)];
  }
  const stacks = createStacks({ home, hand, layers, overlay });
  await stacks.toMount(stack);
  await stacks.close();
  const dir = await layers.begin();
  const names = await onStack(await stacks.toMount(stack), dir, (at) => readdirSync(at, { recursive: true }).sort());
  expect(names).toEqual(["new", "x", "y"]);
});

test("extended attributes of files and directories are kept, of the highest layer that has them", async () => {
  let stack = await addLayer([], 0, (at) => mkdirSync(join(at, "d")));
  stack = await addLayer(stack, 1, (at) => {
    writeFileSync(join(at, "f"), "");
    setAttribute(join(at, "f"), "user.a", "1");
    setAttribute(join(at, "d"), "user.old", "1");
  });
  stack = await addLayer(stack, 2, (at) => {
    execFileSync("python3", ["-c", "import os,sys; os.removexattr(sys.argv[1], 'user.old')", join(at, "d")]);
    setAttribute(join(at, "d"), "user.new", "2");
  });
  for (let index = 3; index < 66; index++)
    stack = await addLayer(stack, index, (at) => writeFileSync(join(at, "n"), ""));
  const stacks = createStacks({ home, hand, layers, overlay });
  const expected = await contentOf(stack);
  await stacks.toMount(stack);
  await stacks.close();
  expect(await contentOf(await stacks.toMount(stack))).toBe(expected);
});

test("a stack that the kernel does not take is flattened at once; one that is shallow never", async () => {
  let stack = await addLayer([], 0, (at) => writeFileSync(join(at, "zero"), ""));
  const lone = stack;
  for (let index = 1; index < 530; index++) {
    const dir = await layers.begin();
    writeFileSync(join(dir, "fs", `${index}`), "");
    await layers.adopt(dir, keyOf(index), 0);
    stack = [...stack, keyOf(index)];
  }
  const stacks = createStacks({ home, hand, layers, overlay });
  expect(await stacks.toMount(stack.slice(0, 64))).toEqual(stack.slice(0, 64));
  const flat = await stacks.toMount(stack);
  expect(flat.length).toBe(1 + 16 + 17);
  const dir = await layers.begin();
  expect(await onStack(flat, dir, (at) => readdirSync(at).length)).toBe(530);
  expect(flattenedKeys(lone)).toEqual([]);
  await stacks.close();
});
