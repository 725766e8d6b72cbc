import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { digestOf } from "../../src/image/hash";
import { IncomingFiles } from "../../src/server/services/incoming-files";

const MIB = 1024 * 1024;
const bytes = Buffer.alloc(4 * MIB, "four mebibytes of this ");
const digest = digestOf(bytes);

let dir: string;
let files: IncomingFiles;
const kept: Buffer[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-incoming-"));
  files = new IncomingFiles(dir);
  kept.length = 0;
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const receive = (content: Readable, offset = 0, orgId = "a") =>
  files.receive({ orgId, digest, content, offset }, async (path) => {
    kept.push(await readFile(path));
    await rm(path);
  });
/** The first bytes of the file, and then, well after they were read, the line is dead. */
function cutAt(sizeBytes: number): Readable {
  async function* content() {
    yield bytes.subarray(0, sizeBytes);
    await sleep(200);
    throw new Error("cut");
  }
  return Readable.from(content(), { highWaterMark: 1 });
}
const arrived = async (orgId = "a") => (await files.arrived(orgId, [digest]))[digest];

it("keeps what came before a cut for its organisation alone, and goes on from there", async () => {
  await expect(receive(cutAt(3 * MIB))).rejects.toMatchObject({ code: "aborted" });
  expect([await arrived(), await arrived("b")]).toEqual([3 * MIB, undefined]);
  await receive(Readable.from([bytes.subarray(3 * MIB)]), 3 * MIB);
  expect(kept.map((one) => one.equals(bytes))).toEqual([true]);
  expect(await readdir(dir)).toEqual([]);
});

it("goes on before the cut, too", async () => {
  await expect(receive(cutAt(3 * MIB))).rejects.toMatchObject({ code: "aborted" });
  await receive(Readable.from([bytes.subarray(MIB)]), MIB);
  expect(kept.map((one) => one.equals(bytes))).toEqual([true]);
});

it("keeps nothing of little worth", async () => {
  await expect(receive(cutAt(1000))).rejects.toMatchObject({ code: "aborted" });
  expect(await readdir(dir)).toEqual([]);
});

it("takes the whole file in place of a part, as an older client sends it", async () => {
  await expect(receive(cutAt(3 * MIB))).rejects.toMatchObject({ code: "aborted" });
  await receive(Readable.from([bytes]));
  expect(kept.map((one) => one.equals(bytes))).toEqual([true]);
});

it.each<[string, () => Promise<unknown>]>([
  ["nothing is here", async () => undefined],
  ["less is here", () => expect(receive(cutAt(2 * MIB))).rejects.toMatchObject({ code: "aborted" })],
])("refuses to go on where %s", async (_what, prepare) => {
  await prepare();
  const rest = Readable.from([bytes.subarray(3 * MIB)]);
  await expect(receive(rest, 3 * MIB)).rejects.toMatchObject({ code: "conflict" });
  expect(await readdir(dir)).toEqual([]);
});

it("lets two bring the same bytes at the same time, and does not offer what is being written", async () => {
  const slow = new PassThrough();
  slow.write(bytes.subarray(0, 2 * MIB));
  const first = receive(slow);
  await expect.poll(() => readdir(dir)).toHaveLength(1);
  expect(await arrived()).toBeUndefined();
  await expect(receive(Readable.from([]), MIB)).rejects.toMatchObject({ code: "conflict" });
  await receive(Readable.from([bytes]));
  slow.end(bytes.subarray(2 * MIB));
  await first;
  expect(kept.map((one) => one.equals(bytes))).toEqual([true, true]);
});

it("does not remove what is being written, however long it takes", async () => {
  const slow = new PassThrough();
  slow.write(bytes.subarray(0, 2 * MIB));
  const first = receive(slow);
  await expect.poll(() => readdir(dir)).toHaveLength(1);
  expect(await files.removeOld(Date.now() + 1_000_000)).toEqual([]);
  slow.end(bytes.subarray(2 * MIB));
  await first;
});
