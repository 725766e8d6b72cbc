import { createHash } from "node:crypto";
import {
  chownSync,
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
import { afterEach, beforeEach, expect, test } from "vitest";
import { createBuildCache, type DownloadUser } from "../../../src/engines/local/build-cache";
import { UID_SHIFT } from "../../../src/engines/local/oci-spec";

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

async function step(kept: ReturnType<ReturnType<typeof createBuildCache>["of"]>, user: DownloadUser): Promise<string> {
  places += 1;
  const place = join(folder, `place-${places}`);
  await kept.lend(place, user);
  return place;
}

const filesIn = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();

test("packages by their hash, lists that their release vouches for, responses; nothing else, and each organisation its own", async () => {
  const cache = createBuildCache(root);
  const [mine, theirs, otherBase] = [cache.of("mine", "base"), cache.of("theirs", "base"), cache.of("mine", "other")];
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
  await mine.keep(place);

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
  const kept = createBuildCache(root).of("mine", "base");
  const secret = join(folder, "host");
  mkdirSync(secret);
  write(secret, "host_1_all.deb", "the host's");
  const place = await step(kept, "apt");
  symlinkSync(join(secret, "host_1_all.deb"), join(place, "archives/link_1_all.deb"));
  linkSync(join(secret, "host_1_all.deb"), join(place, "archives/second_1_all.deb"));
  rmSync(join(place, "lists"), { recursive: true });
  symlinkSync(secret, join(place, "lists"));
  await kept.keep(place);
  expect(filesIn(secret)).toEqual(["host_1_all.deb"]);
  expect(lstatSync(join(secret, "host_1_all.deb"))).toMatchObject({ uid: UID_SHIFT });
  expect(() => readdirSync(join(root))).toThrow("ENOENT");
});

test("what was neither kept nor lent for longest goes first", async () => {
  const kept = createBuildCache(root, 25).of("mine", "base");
  const keep = async (content: string) => {
    const place = await step(kept, "apt");
    write(place, `archives/${content}_1_all.deb`, content.repeat(10));
    await kept.keep(place);
    // As fine as the clock of the file system.
    await delay(20);
  };
  const lend = async (content: string) =>
    kept.lendArchive(await step(kept, "apt"), "x.deb", sha256(content.repeat(10)));
  await keep("a");
  await keep("b");
  expect(await lend("a")).toBe(true);
  await delay(20);
  await keep("c");
  expect([await lend("a"), await lend("b"), await lend("c")]).toEqual([true, false, true]);
});

test("forgetting all tells what it was, and what is lent stays", async () => {
  const cache = createBuildCache(root);
  const kept = cache.of("mine", "base");
  const place = await step(kept, "pip");
  write(place, PIP_FILE, "12345");
  await kept.keep(place);
  const lent = await step(kept, "pip");
  expect(await cache.clear()).toEqual({ sizeBytes: 5 });
  expect(await cache.clear()).toEqual({ sizeBytes: 0 });
  expect(filesIn(lent)).toEqual([PIP_FILE]);
  await kept.keep(lent);
  expect(filesIn(await step(kept, "pip"))).toEqual([]);
});
