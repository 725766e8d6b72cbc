import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CheckpointRoom, SandboxCheckpointRow } from "../../src/server/store/checkpoint-store";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { OrgStore, Store } from "../../src/server/store/store";
import { ROOM, takenCheckpoint } from "./checkpoint-row";
import { makeOldHome } from "./old-home";
import { sandboxRow } from "./sandbox-row";
import { checkpointRow } from "./snapshot-wish";

let dir: string;
let store: Store;
let org: OrgStore;
let other: OrgStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-checkpoints-"));
  store = await openSqliteStore(join(dir, "server.db"));
  for (const id of ["a", "b"]) await store.ensureOrganisation({ id, name: id });
  [org, other] = [store.forOrg("a"), store.forOrg("b")];
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

const complete = (id: string, room = ROOM) =>
  org.checkpoints.complete(id, { checkpoint: checkpointRow(id), sizeBytes: 7 }, room);
const take = async (id: string, room = ROOM, more: Partial<SandboxCheckpointRow> = {}) => {
  await org.checkpoints.reserve(takenCheckpoint(id, more), room);
  await complete(id, room);
};
const ids = async () => (await org.checkpoints.list("sb")).map(({ id }) => id);
const oldestGo = (max: number): CheckpointRoom => ({ max, deleteOldest: true });

it("gives back what it was given, and what became of it", async () => {
  await org.checkpoints.reserve(takenCheckpoint("one", { owner: "o" }), ROOM);
  expect(await org.checkpoints.get("one")).toEqual(takenCheckpoint("one", { owner: "o" }));
  expect(await complete("one")).toBe(true);
  expect(await org.checkpoints.get("one")).toEqual(
    takenCheckpoint("one", { owner: "o", status: "ready", sizeBytes: 7 }),
  );
  expect(await org.getCheckpoint("one")).toEqual(checkpointRow("one"));
  await org.checkpoints.reserve(takenCheckpoint("two", { sandboxId: "sb2" }), ROOM);
  await org.checkpoints.fail("two", { error: "e" }, 9);
  expect(await org.checkpoints.get("two")).toMatchObject({ status: "failed", error: { error: "e" }, failedAt: 9 });
  expect((await org.checkpoints.list()).map(({ id }) => id)).toEqual(["two", "one"]);
  expect(await ids()).toEqual(["one"]);
});

it("hides every row from another organisation", async () => {
  await take("one");
  expect([
    await other.checkpoints.get("one"),
    await other.checkpoints.list(),
    await other.checkpoints.list("sb"),
  ]).toEqual([undefined, [], []]);
  expect(await other.checkpoints.delete("one")).toBe(false);
  await other.checkpoints.fail("one", { error: "e" }, 9);
  const kept = { checkpoint: checkpointRow("again"), sizeBytes: 1 };
  expect(await other.checkpoints.complete("one", kept, ROOM)).toBe(false);
  await other.checkpoints.reserve(takenCheckpoint("theirs", { name: "one" }), ROOM);
  expect(await org.checkpoints.get("one")).toMatchObject({ status: "ready", sizeBytes: 7 });
});

it("writes down nothing of one that was deleted while it was taken", async () => {
  await org.checkpoints.reserve(takenCheckpoint("one"), ROOM);
  expect([await org.checkpoints.delete("one"), await org.checkpoints.delete("one")]).toEqual([true, false]);
  expect(await complete("one")).toBe(false);
  expect(await org.getCheckpoint("one")).toBeUndefined();
});

describe("room", () => {
  it("is for so many of a kind of a sandbox; failures do not count", async () => {
    for (const id of ["one", "two"]) await take(id, { max: 2, deleteOldest: false });
    await org.checkpoints.reserve(takenCheckpoint("full", { kind: "full" }), { max: 2, deleteOldest: false });
    await org.checkpoints.reserve(takenCheckpoint("else", { sandboxId: "sb2" }), { max: 2, deleteOldest: false });
    const third = () => org.checkpoints.reserve(takenCheckpoint("three"), { max: 2, deleteOldest: false });
    await expect(third()).rejects.toMatchObject({ code: "invalid_input" });
    await org.checkpoints.fail("two", { error: "e" }, 9);
    await third();
    expect(await ids()).toEqual(["three", "full", "two", "one"]);
  });

  it("is made by the oldest of the kind once the new one is there, not before", async () => {
    for (const id of ["one", "two", "three"]) await take(id);
    await take("full", ROOM, { kind: "full" });
    await org.checkpoints.reserve(takenCheckpoint("four"), oldestGo(2));
    expect(await ids()).toEqual(["four", "full", "three", "two", "one"]);
    await complete("four", oldestGo(2));
    expect(await ids()).toEqual(["four", "full", "three"]);
    await take("five", oldestGo(1));
    expect(await ids()).toEqual(["five", "full"]);
  });

  const stays: [string, boolean, () => Promise<unknown>][] = [
    ["runs on it", true, () => org.insertSandbox(sandboxRow("x", { checkpointId: "one" }))],
    ["sleeps on it", true, () => org.insertSandbox(sandboxRow("x", { checkpointId: "one", status: "hibernated" }))],
    ["goes back to it", true, () => org.insertSandbox(sandboxRow("x", { restoringTo: "one" }))],
    ["ran on it", false, () => org.insertSandbox(sandboxRow("x", { checkpointId: "one", status: "stopped" }))],
  ];
  it.each(stays)("where a sandbox %s: a checkpoint stays is %s", async (_, isKept, use) => {
    await take("one");
    await take("two");
    await use();
    await take("three", oldestGo(2));
    expect(await ids()).toEqual(["three", isKept ? "one" : "two"]);
  });

  it("is not there where none can go: they are in use, or not ready", async () => {
    await take("one");
    await org.insertSandbox(sandboxRow("x", { checkpointId: "one" }));
    const next = (id: string) => org.checkpoints.reserve(takenCheckpoint(id), oldestGo(1));
    await expect(next("two")).rejects.toMatchObject({ code: "invalid_input" });
    await org.updateSandbox("x", { status: "stopped" });
    await next("two");
    await expect(next("three")).rejects.toMatchObject({ code: "invalid_input" });
  });
});

it("names are taken once for each sandbox, but not by a failure", async () => {
  await org.checkpoints.reserve(takenCheckpoint("one"), ROOM);
  const again = (id: string, sandboxId = "sb") =>
    org.checkpoints.reserve(takenCheckpoint(id, { name: "one", sandboxId }), ROOM);
  await expect(again("two")).rejects.toMatchObject({ code: "conflict" });
  await again("three", "sb2");
  await org.checkpoints.fail("one", { error: "e" }, 9);
  await again("four");
  expect(await ids()).toEqual(["four"]);
});

it("keeps what checkpoints, sleepers and restores need, and drops failures with old history", async () => {
  for (const id of ["taken", "asleep", "target", "none"]) await org.insertCheckpoint(checkpointRow(id));
  await org.checkpoints.reserve(takenCheckpoint("taken"), ROOM);
  await org.insertSandbox(sandboxRow("sb1", { status: "hibernated", checkpointId: "asleep" }));
  await org.insertSandbox(sandboxRow("sb2", { checkpointId: "asleep", restoringTo: "target" }));
  await store.dropUnneeded();
  expect((await store.listCheckpoints()).map(({ id }) => id).sort()).toEqual(["asleep", "taken", "target"]);
  await org.checkpoints.fail("taken", { error: "e" }, 50);
  await store.dropHistory(100);
  expect(await org.checkpoints.list()).toEqual([]);
});

it("takes over an older home: a create that a crash left has stopped, owners keep theirs", async () => {
  await store.close();
  const path = join(dir, "old.db");
  const old = (id: string, status: string) => ({
    ...{ id, org_id: "a", status, checkpoint_id: "c", envs: "{}", metadata: "{}", memory_mb: 64, cpu_count: 1 },
    ...{ timeout_seconds: 0, started_at: 1, owner: id },
  });
  const rows = [old("sb-1", "running"), old("sb-2", "creating")];
  await makeOldHome(path, "0004_sandbox_fields", { sandboxes: rows });
  store = await openSqliteStore(path);
  org = store.forOrg("a");
  expect(await org.getSandbox("sb-1")).toMatchObject({ status: "running", restoringTo: null });
  expect(await org.getSandbox("sb-2")).toMatchObject({ status: "stopped", stoppedAt: 1 });
  await expect(org.insertSandbox(sandboxRow("sb-3", { owner: "sb-1" }))).rejects.toThrow();
  await org.updateSandbox("sb-1", { status: "hibernated" });
  await expect(org.insertSandbox(sandboxRow("sb-3", { owner: "sb-1" }))).rejects.toThrow();
  await org.insertSandbox(sandboxRow("sb-3", { owner: "sb-2" }));
});
