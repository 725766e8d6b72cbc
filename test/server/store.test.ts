import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { CheckpointRow, OrgStore, SnapshotRow, Store } from "../../src/server/store/store";
import { sandboxRow as sandbox } from "./sandbox-row";

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

const manifest = { base: "base" as const, steps: [{ type: "workdir" as const, args: { path: "/w" } }] };
const checkpoint = (id: string, contentHash = "h"): CheckpointRow => ({
  ...{ id, contentHash, baseDigest: "base", buildId: `build-${id}`, createdAt: 1 },
  checkpoint: { layers: ["l"], env: { A: 'q"\n' }, workdir: "/w" },
});
const snapshot = (name: string, more: Partial<SnapshotRow> = {}): SnapshotRow => ({
  ...{ id: `id-${name}`, name, status: "ready", contentHash: "h", manifest, checkpointId: null, buildId: null },
  ...{ error: null, createdAt: 1, lastUsedAt: null, ...more },
});
const build = (id: string, startedAt = 1) => ({
  ...{ id, contentHash: "h", name: "n", status: "running" as const, error: null, logPath: `/log/${id}` },
  ...{ startedAt, finishedAt: null },
});

it("gives back what it was given", async () => {
  await org.saveImage(manifest, checkpoint("c"));
  expect(await org.getCheckpoint("c")).toEqual(checkpoint("c"));
  expect(await org.getImage("h")).toMatchObject({ manifest, checkpointId: "c" });
  await org.insertSnapshot(snapshot("s", { checkpointId: "c", error: { error: "e", code: "internal" } }));
  expect(await org.getSnapshot("s")).toEqual(
    snapshot("s", { checkpointId: "c", error: { error: "e", code: "internal" } }),
  );
  await org.insertSandbox(sandbox("sb"));
  expect(await org.getSandbox("sb")).toEqual(sandbox("sb"));
  await org.insertBuild(build("b1"));
  await org.finishBuild("b1", { status: "failed", error: { error: "e" }, finishedAt: 5 });
  expect(await org.getBuild("b1")).toMatchObject({ status: "failed", error: { error: "e" }, finishedAt: 5 });
});

it("keeps it over a restart", async () => {
  await org.insertSnapshot(snapshot("s"));
  await store.close();
  store = await openSqliteStore(join(dir, "server.db"));
  expect(await store.forOrg("a").getSnapshot("s")).toBeDefined();
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

it("lets a name be once in an organisation", async () => {
  await org.insertSnapshot(snapshot("s"));
  await expect(org.insertSnapshot(snapshot("s", { id: "x" }))).rejects.toMatchObject({ code: "conflict" });
  await other.insertSnapshot(snapshot("s", { id: "y" }));
});

it("changes only what a change names", async () => {
  await org.insertSnapshot(snapshot("s", { error: { error: "e" }, lastUsedAt: 3 }));
  expect(await org.updateSnapshot("id-s", { status: "failed" })).toBe(true);
  expect(await org.getSnapshot("s")).toMatchObject({ status: "failed", error: { error: "e" }, lastUsedAt: 3 });
  expect(await org.updateSnapshot("id-s", { error: null })).toBe(true);
  expect((await org.getSnapshot("s"))?.error).toBeNull();
  expect(await org.updateSnapshot("gone", { status: "ready" })).toBe(false);
});

it("hides every row from another organisation, and its changes do not reach them", async () => {
  await org.saveImage(manifest, checkpoint("c"));
  await org.insertSnapshot(snapshot("s"));
  await org.insertSandbox(sandbox("sb"));
  await org.insertBuild(build("b1"));
  await org.touchBlobs([{ digest: "d", sizeBytes: 1 }], 1);
  const seen = [
    ...[await other.getCheckpoint("c"), await other.getImage("h"), await other.getSnapshot("s")],
    ...[await other.getSandbox("sb"), await other.getBuild("b1"), await other.latestBuildNamed("n")],
  ];
  expect(seen).toEqual(seen.map(() => undefined));
  expect([await other.listSnapshots(), await other.listSandboxes(), await other.findBlobs(["d"])]).toEqual([
    [],
    [],
    [],
  ]);
  await other.updateSandbox("sb", { status: "stopped" });
  await other.deleteSandbox("sb");
  await other.finishBuild("b1", { status: "failed", error: null, finishedAt: 1 });
  expect([await other.deleteSnapshot("s"), await other.updateSnapshot("id-s", { status: "failed" })]).toEqual([
    false,
    false,
  ]);
  expect((await org.getSandbox("sb"))?.status).toBe("running");
  expect((await org.getBuild("b1"))?.status).toBe("running");
  expect((await org.getSnapshot("s"))?.status).toBe("ready");
});

it("settles what a crash interrupted", async () => {
  await org.insertBuild(build("b1"));
  await org.insertSnapshot(snapshot("s", { status: "building" }));
  await org.insertSandbox(sandbox("sb", { status: "creating" }));
  await org.insertSandbox(sandbox("sb2"));
  const reason = { error: "the server stopped", code: "build_cancelled" } as const;
  expect(await store.settleInterrupted(reason, 9)).toEqual({ builds: 1, snapshots: 1, sandboxes: 1 });
  expect(await org.getBuild("b1")).toMatchObject({ status: "cancelled", error: reason, finishedAt: 9 });
  expect(await org.getSnapshot("s")).toMatchObject({ status: "failed", error: reason });
  expect(await org.getSandbox("sb")).toMatchObject({ status: "stopped", stoppedAt: 9 });
  expect(await org.getSandbox("sb2")).toMatchObject({ status: "running" });
  expect(await store.settleInterrupted(reason, 10)).toEqual({ builds: 0, snapshots: 0, sandboxes: 0 });
});

describe("dropping", () => {
  it("takes images and checkpoints that neither a snapshot nor a live sandbox has", async () => {
    for (const id of ["snap", "live", "dead", "none"]) await org.saveImage(manifest, checkpoint(id, `hash-${id}`));
    await org.insertSnapshot(snapshot("s", { checkpointId: "snap" }));
    await org.insertSandbox(sandbox("sb1", { checkpointId: "live" }));
    await org.insertSandbox(sandbox("sb2", { checkpointId: "dead", status: "stopped", stoppedAt: 1 }));
    expect(await store.dropUnneeded()).toEqual({ images: 2, checkpoints: 2 });
    expect((await store.listCheckpoints()).map((row) => row.id).sort()).toEqual(["live", "snap"]);
  });

  it("takes a checkpoint that a newer build of the same image replaced", async () => {
    await org.saveImage(manifest, checkpoint("old"));
    await org.saveImage(manifest, checkpoint("new"));
    await org.insertSnapshot(snapshot("s", { checkpointId: "new" }));
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
