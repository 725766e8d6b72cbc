import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBuildCache, type DownloadUser } from "../../../src/engines/local/build-cache";
import { downloadPool } from "../../../src/engines/local/download-pool";
import { UID_SHIFT } from "../../../src/engines/local/oci-spec";
import type { Step } from "../../../src/image/image-manifest";

let folder: string;
let root: string;
let places = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "build-cache-"));
  root = join(folder, "downloads");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const KEY = "a".repeat(56);
const PIP_FILE = `pip/http-v2/1/2/3/4/5/${KEY}.body`;

/** What a step leaves behind: files of root inside. */
function write(place: string, path: string, content: string): void {
  mkdirSync(dirname(join(place, path)), { recursive: true });
  writeFileSync(join(place, path), content);
  chownSync(join(place, path), UID_SHIFT, UID_SHIFT);
}

type Kept = ReturnType<ReturnType<typeof createBuildCache>["of"]>;

async function step(kept: Kept, user: DownloadUser): Promise<string> {
  places += 1;
  const place = join(folder, `place-${places}`);
  await kept.lend(place, user);
  return place;
}

/** Ends a step whose packages ran nothing of their own. */
async function keep(kept: Kept, place: string, responses = true): Promise<void> {
  await kept.keep(place, { lists: await kept.sealLists(place), responses });
}

const filesIn = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();

test("packages by their hash, lists that their release vouches for, responses; nothing else, and each organisation its own", async () => {
  const cache = createBuildCache(root);
  const [mine, theirs, otherBase] = [
    cache.of("mine", "base", "pool"),
    cache.of("theirs", "base", "pool"),
    cache.of("mine", "other", "pool"),
  ];
  const place = await step(mine, "apt");
  write(place, "archives/a_1_all.deb", "package");
  write(place, "archives/a_1_all.deb.asc", "signature");
  write(place, "lists/h_Release", `SHA256:\n ${sha256("list")} 4 Packages\n ${sha256("true")} 4 main/Packages\n`);
  write(place, "lists/h_Packages", "list");
  write(place, "lists/h_main_Packages", "lies");
  write(place, "lists/h_Translation-en", "words");
  write(place, "pkgcache.bin", "bytes");
  write(place, PIP_FILE, "wheel");
  write(place, "pip/wheels/1/2/3/built.whl", "built here");
  await keep(mine, place);

  const next = await step(mine, "apt");
  expect(filesIn(next)).toEqual(["lists/h_Packages", "lists/h_Release"]);
  expect(await mine.lendArchive(next, "a_1_all.deb", sha256("package"))).toBe(true);
  expect(await mine.lendArchive(next, "b_1_all.deb", sha256("other"))).toBe(false);
  expect(await mine.lendArchive(next, "../b_1_all.deb", sha256("package"))).toBe(false);
  expect(filesIn(join(next, "archives"))).toEqual(["a_1_all.deb"]);
  expect(lstatSync(join(next, "archives/a_1_all.deb"))).toMatchObject({ uid: 0, mode: 0o100644 });
  expect(filesIn(await step(mine, "pip"))).toEqual([PIP_FILE]);
  for (const other of [theirs, otherBase]) {
    expect(filesIn(await step(other, "apt"))).toEqual([]);
    expect(await other.lendArchive(next, "c_1_all.deb", sha256("package"))).toBe(false);
  }
});

test("links lead nowhere: not of files, not of directories, not with a second name", async () => {
  const kept = createBuildCache(root).of("mine", "base", "pool");
  const secret = join(folder, "host");
  mkdirSync(secret);
  write(secret, "host_1_all.deb", "the host's");
  const place = await step(kept, "apt");
  symlinkSync(join(secret, "host_1_all.deb"), join(place, "archives/link_1_all.deb"));
  linkSync(join(secret, "host_1_all.deb"), join(place, "archives/second_1_all.deb"));
  rmSync(join(place, "lists"), { recursive: true });
  symlinkSync(secret, join(place, "lists"));
  await keep(kept, place);
  expect(filesIn(secret)).toEqual(["host_1_all.deb"]);
  expect(lstatSync(join(secret, "host_1_all.deb"))).toMatchObject({ uid: UID_SHIFT });
  expect(() => readdirSync(join(root))).toThrow("ENOENT");
});

test("what was neither kept nor lent for longest goes first", async () => {
  const kept = createBuildCache(root, 25).of("mine", "base", "pool");
  const keepOne = async (content: string) => {
    const place = await step(kept, "apt");
    write(place, `archives/${content}_1_all.deb`, content.repeat(10));
    await keep(kept, place);
    // As fine as the clock of the file system.
    await delay(20);
  };
  const lend = async (content: string) =>
    kept.lendArchive(await step(kept, "apt"), "x.deb", sha256(content.repeat(10)));
  await keepOne("a");
  await keepOne("b");
  expect(await lend("a")).toBe(true);
  await delay(20);
  await keepOne("c");
  expect([await lend("a"), await lend("b"), await lend("c")]).toEqual([true, false, true]);
});

test("forgetting all tells what it was, and what is lent stays", async () => {
  const cache = createBuildCache(root);
  const kept = cache.of("mine", "base", "pool");
  const place = await step(kept, "pip");
  write(place, PIP_FILE, "12345");
  await keep(kept, place);
  const lent = await step(kept, "pip");
  expect(await cache.clear()).toEqual({ sizeBytes: 5 });
  expect(await cache.clear()).toEqual({ sizeBytes: 0 });
  expect(filesIn(lent)).toEqual([PIP_FILE]);
  await keep(kept, lent);
  expect(filesIn(await step(kept, "pip"))).toEqual([]);
});

test("a package is lent to the directory of the step and to nothing that has taken its place", async () => {
  const kept = createBuildCache(root).of("mine", "base", "pool");
  const first = await step(kept, "apt");
  write(first, "archives/a_1_all.deb", "package");
  await keep(kept, first);
  const host = join(folder, "host");
  mkdirSync(host);
  for (const target of [host, "../host", "/proc/self/cwd"]) {
    const place = await step(kept, "apt");
    rmSync(join(place, "archives"), { recursive: true });
    symlinkSync(target, join(place, "archives"));
    expect(await kept.lendArchive(place, "a_1_all.deb", sha256("package"))).toBe(false);
  }
  expect(readdirSync(host)).toEqual([]);
  expect(existsSync("a_1_all.deb")).toBe(false);
});

describe("what nobody vouches for is not kept", () => {
  const RELEASE = `SHA256:\n ${sha256("list")} 4 Packages\n`;

  test("lists that were written after the installation had begun", async () => {
    const kept = createBuildCache(root).of("mine", "base", "pool");
    const place = await step(kept, "apt");
    write(place, "lists/h_Release", RELEASE);
    write(place, "lists/h_Packages", "list");
    const lists = await kept.sealLists(place);
    const planted = sha256("planted");
    write(place, "lists/h_Release", `SHA256:\n ${planted} 7 Packages\n`);
    write(place, "lists/h_Packages", "planted");
    write(place, "lists/other_InRelease", RELEASE);
    // As large as those that need no seal.
    write(place, "lists/large_Release", `${RELEASE}${"#".repeat(5 * 1024 ** 2)}`);
    await kept.keep(place, { lists, responses: true });
    expect(filesIn(await step(kept, "apt"))).toEqual([]);
  });

  test("a seal is of a file, not of what stands in its place", async () => {
    const kept = createBuildCache(root).of("mine", "base", "pool");
    const place = await step(kept, "apt");
    write(folder, "host_Release", RELEASE);
    symlinkSync(join(folder, "host_Release"), join(place, "lists/h_Release"));
    execFileSync("mkfifo", [join(place, "lists/pipe_Release")]);
    expect([...(await kept.sealLists(place))]).toEqual([]);
  });

  test("responses of a step in which pip ran code of a package", async () => {
    const kept = createBuildCache(root).of("mine", "base", "pool");
    const place = await step(kept, "pip");
    write(place, PIP_FILE, "planted");
    await keep(kept, place, false);
    expect(filesIn(await step(kept, "pip"))).toEqual([]);
  });

  test("indexes of steps that stand on others; packages, which are known by their hash, are everybody's", async () => {
    const cache = createBuildCache(root);
    const [clean, tainted] = [cache.of("mine", "base", "clean"), cache.of("mine", "base", "tainted")];
    const apt = await step(tainted, "apt");
    write(apt, "archives/a_1_all.deb", "package");
    write(apt, "lists/h_Release", RELEASE);
    write(apt, "lists/h_Packages", "list");
    await keep(tainted, apt);
    const pip = await step(tainted, "pip");
    write(pip, PIP_FILE, "planted");
    await keep(tainted, pip);
    const next = await step(clean, "apt");
    expect(filesIn(next)).toEqual([]);
    expect(await clean.lendArchive(next, "a_1_all.deb", sha256("package"))).toBe(true);
    expect(filesIn(await step(clean, "pip"))).toEqual([]);
    expect(filesIn(await step(tainted, "apt"))).toEqual(["lists/h_Packages", "lists/h_Release"]);
    expect(filesIn(await step(tainted, "pip"))).toEqual([PIP_FILE]);
  });
});

test("steps share indexes where nothing below them could have planted any", () => {
  const run: Step = { type: "run", args: { commands: ["true"] } };
  const apt: Step = { type: "apt_install", args: { packages: ["jq"] } };
  const pip: Step = { type: "pip_install", args: { packages: ["pandas"] } };
  const proxy: Step = { type: "env", args: { vars: { HTTPS_PROXY: "http://elsewhere" } } };
  const workdir: Step = { type: "workdir", args: { path: "/w" } };
  const clean = downloadPool([]);
  for (const before of [[apt], [workdir, apt]]) expect(downloadPool(before)).toBe(clean);
  const others = [[run], [pip], [proxy], [apt, run, pip]].map(downloadPool);
  expect(new Set([clean, ...others]).size).toBe(5);
  expect(downloadPool([apt, run])).toBe(downloadPool([run, apt]));
});
