import { statSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { OrgStore, Store } from "../../src/server/store/store";
import { ROOM, takenCheckpoint as taken } from "./checkpoint-row";
import { sandboxRow as sandbox } from "./sandbox-row";
import { checkpointRow as checkpoint, currentOf, MANIFEST as manifest, publish, wishFor } from "./snapshot-wish";

let dir: string;
let store: Store;
let org: OrgStore;
let other: OrgStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-store-"));
  store = await openSqliteStore(join(dir, "server.db"));
  for (const id of ["a", "b"]) await store.ensureOrganisation({ id, name: id });
  [org, other] = [store.forOrg("a"), store.forOrg("b")];
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

const build = (id: string, startedAt = 1) => ({
  ...{ id, contentHash: "h", name: "n", status: "running" as const, error: null, logPath: `/log/${id}` },
  ...{ startedAt, finishedAt: null },
});

it("gives back what it was given", async () => {
  await org.saveImage(manifest, checkpoint("c"));
  expect(await org.getCheckpoint("c")).toEqual(checkpoint("c"));
  expect(await org.getImage("h")).toMatchObject({ manifest, checkpointId: "c" });
  const fields = { envs: { A: "1" }, tags: { t: "'" }, tagsUpdatedAt: 2, network: { allow: ["a.b"] }, owner: "o" };
  await org.insertSandbox(sandbox("sb", fields));
  expect(await org.getSandbox("sb")).toEqual(sandbox("sb", fields));
  expect([await org.findSandboxOf("o"), await other.findSandboxOf("o")]).toEqual([sandbox("sb", fields), undefined]);
  await org.insertBuild(build("b1"));
  await org.finishBuild("b1", { status: "failed", error: { error: "e" }, finishedAt: 5 });
  expect(await org.getBuild("b1")).toMatchObject({ status: "failed", error: { error: "e" }, finishedAt: 5 });
});

it("keeps it over a restart", async () => {
  const made = await publish(org, wishFor("s", "h", { labels: { a: "1" }, retention: { keepLast: 2 }, owner: "o" }));
  await store.close();
  store = await openSqliteStore(join(dir, "server.db"));
  expect(await currentOf(store.forOrg("a"), "s")).toEqual(made);
});

it("refuses a database of a newer version instead of guessing", async () => {
  await store.close();
  const raw = new SqliteDatabase(join(dir, "server.db"));
  raw.prepare("insert into kysely_migration (name, timestamp) values ('9999_future', 'x')").run();
  raw.close();
  await expect(openSqliteStore(join(dir, "server.db"))).rejects.toMatchObject({ code: "conflict" });
  new SqliteDatabase(join(dir, "server.db")).prepare("delete from kysely_migration where name like '9999%'").run();
  store = await openSqliteStore(join(dir, "server.db"));
});

it("hides every row from another organisation, and its changes do not reach them", async () => {
  await org.saveImage(manifest, checkpoint("c"));
  const key = await publish(org, wishFor("s"));
  await org.snapshots.tag(key, "t");
  await org.insertSandbox(sandbox("sb"));
  await org.insertBuild(build("b1"));
  await org.touchBlobs([{ digest: "d", sizeBytes: 1 }], 1);
  const seen = [
    ...[await other.getCheckpoint("c"), await other.getImage("h"), await currentOf(other, "s")],
    ...[await other.getSandbox("sb"), await other.getBuild("b1"), await other.latestBuildNamed("n")],
  ];
  expect(seen).toEqual(seen.map(() => undefined));
  const lists = [
    ...[await other.snapshots.list({}), await other.snapshots.listVersions("s"), await other.snapshots.listUsers("s")],
    ...[await other.listSandboxes(), await other.findBlobs(["d"])],
  ];
  expect(lists).toEqual(lists.map(() => []));
  await other.updateSandbox("sb", { status: "stopped" });
  await other.deleteSandbox("sb");
  await other.finishBuild("b1", { status: "failed", error: null, finishedAt: 1 });
  await other.snapshots.fail(key, { error: { error: "e" }, buildId: null });
  await other.insertSandbox(sandbox("sb-other"), key);
  const changes = [
    ...[
      await other.snapshots.promote(key, 9),
      await other.snapshots.tag(key, "u"),
      await other.snapshots.untag("s", "t"),
    ],
    await other.snapshots.change("s", { labels: { a: "b" } }),
    ...[await other.snapshots.deleteName("s"), await other.snapshots.deleteVersion(key)],
  ];
  expect(changes).toEqual(changes.map(() => false));
  expect((await org.getSandbox("sb"))?.status).toBe("running");
  expect((await org.getBuild("b1"))?.status).toBe("running");
  expect(await currentOf(org, "s")).toEqual({ ...key, tags: ["t"] });
});

it("settles what a crash interrupted", async () => {
  await org.insertBuild(build("b1"));
  await org.snapshots.reserve(wishFor("s"), 1);
  await org.checkpoints.reserve(taken("k"), ROOM);
  await org.insertSandbox(sandbox("sb"));
  const reason = { error: "the server stopped", code: "build_cancelled" } as const;
  expect(await store.settleInterrupted(reason, 9)).toEqual({ builds: 1, snapshots: 1, checkpoints: 1 });
  expect(await org.getBuild("b1")).toMatchObject({ status: "cancelled", error: reason, finishedAt: 9 });
  expect(await currentOf(org, "s")).toMatchObject({ status: "failed", error: reason });
  expect(await org.checkpoints.get("k")).toMatchObject({ status: "failed", error: reason, failedAt: 9 });
  expect(await org.getSandbox("sb")).toMatchObject({ status: "running" });
  expect(await store.settleInterrupted(reason, 10)).toEqual({ builds: 0, snapshots: 0, checkpoints: 0 });
});

describe("dropping", () => {
  it("takes images and checkpoints that neither a version of a snapshot nor a live sandbox has", async () => {
    for (const id of ["snap", "live", "dead", "none"]) await org.saveImage(manifest, checkpoint(id, `hash-${id}`));
    await publish(org, wishFor("s", "hash-old", { retention: { keepLast: 1 } }));
    await org.snapshots.publish(wishFor("s", "hash-snap"), { checkpointId: "snap", buildId: "b" }, 1);
    await org.insertSandbox(sandbox("sb1", { checkpointId: "live" }));
    await org.insertSandbox(sandbox("sb2", { checkpointId: "dead", status: "stopped", stoppedAt: 1 }));
    expect(await store.dropUnneeded()).toEqual({ images: 2, checkpoints: 2 });
    expect((await store.listCheckpoints()).map((row) => row.id).sort()).toEqual(["c-a-hash-old", "live", "snap"]);
  });

  it("takes a checkpoint that a newer build of the same image replaced", async () => {
    await org.saveImage(manifest, checkpoint("old"));
    await org.saveImage(manifest, checkpoint("new"));
    await org.snapshots.publish(wishFor("s"), { checkpointId: "new", buildId: "b" }, 1);
    expect(await store.dropUnneeded()).toEqual({ images: 0, checkpoints: 1 });
  });

  it("takes old history, but not the build of a checkpoint", async () => {
    await org.saveImage(manifest, checkpoint("c"));
    for (const id of ["build-c", "old", "new"]) {
      await org.insertBuild(build(id));
      await org.finishBuild(id, { status: "succeeded", error: null, finishedAt: id === "new" ? 200 : 50 });
    }
    await org.insertSandbox(sandbox("sb1", { status: "stopped", stoppedAt: 50 }));
    expect(await store.dropHistory(100)).toEqual({ logPaths: ["/log/old"] });
    expect(await org.getSandbox("sb1")).toBeUndefined();
  });

  it("takes a blob's bytes only when no organisation has it any more", async () => {
    await org.touchBlobs(
      [
        { digest: "d1", sizeBytes: 1 },
        { digest: "d2", sizeBytes: 1 },
      ],
      1,
    );
    await other.touchBlobs([{ digest: "d1", sizeBytes: 1 }], 200);
    await store.dropBlobs(100);
    expect(await org.findBlobs(["d1", "d2"])).toEqual([]);
    expect(await store.listBlobs()).toEqual(new Set(["d1"]));
    await store.dropBlobs(300);
    expect(await store.listBlobs()).toEqual(new Set());
  });
});

describe("a database that a disk has damaged", () => {
  const damages: readonly [string, (bytes: Buffer) => Buffer][] = [
    ["a head of something else", (bytes) => bytes.fill(0x41, 0, 64)],
    ["pages of something else", (bytes) => bytes.fill(0xa5, 4096, 40_960)],
    ["half of it", (bytes) => bytes.subarray(0, bytes.length / 2)],
  ];

  it.each(damages)("is refused: %s", async (_, damage) => {
    const path = join(dir, "damaged.db");
    await (await openSqliteStore(path)).close();
    await writeFile(path, damage(await readFile(path)));
    await expect(openSqliteStore(path)).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining(`the database is damaged (${path}`),
    });
  });
});

it("has room for what is written on a full disk, also when it is opened again", async () => {
  const path = join(dir, "roomy.db");
  for (let start = 0; start < 2; start += 1) {
    const opened = await openSqliteStore(path, { reservesRoom: true });
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(4_200_000);
    await opened.close();
    expect(statSync(path).size).toBeLessThan(6_000_000);
  }
  const database = new SqliteDatabase(path);
  expect(database.pragma("freelist_count", { simple: true })).toBeGreaterThan(1000);
  database.close();
});
