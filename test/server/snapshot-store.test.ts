import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RetentionRule, SnapshotRow } from "../../src/server/store/snapshot-store";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { OrgStore, SandboxRow, Store } from "../../src/server/store/store";
import { makeOldHome, oldSnapshot } from "./old-home";
import { sandboxRow } from "./sandbox-row";
import { checkpointRow, currentOf, MANIFEST, publish, wishFor } from "./snapshot-wish";

let dir: string;
let store: Store;
let org: OrgStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-snapshots-"));
  store = await openSqliteStore(join(dir, "server.db"));
  await store.ensureOrganisation({ id: "a", name: "a" });
  org = store.forOrg("a");
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

const make = (hash: string, more: object = {}, now = 1) => publish(org, wishFor("s", hash, more), now);
/** `1:h1 2:h2*`: numbers and contents, oldest first, a star at the current one. */
const shape = async () => (await org.snapshots.listVersions("s")).map(describeRow).reverse().join(" ");
const describeRow = (row: SnapshotRow) =>
  `${row.version}:${row.contentHash}${row.status === "ready" ? "" : `(${row.status})`}${row.current ? "*" : ""}`;
const version = async (number: number) => {
  const [row] = await org.snapshots.find({ name: "s", kind: "version", version: number });
  if (row === undefined) throw new Error(`no version ${number}`);
  return row;
};

it("numbers versions from 1, and the last one made is current", async () => {
  const first = await make("h1", { labels: { a: "1" }, owner: "me" });
  expect(first).toMatchObject({
    version: 1,
    current: true,
    tags: [],
    labels: { a: "1" },
    owner: "me",
    manifest: MANIFEST,
  });
  const second = await make("h2", {}, 7);
  expect(second).toMatchObject({
    id: first.id,
    version: 2,
    current: true,
    createdAt: 7,
    labels: { a: "1" },
    owner: "me",
  });
  expect(await shape()).toBe("1:h1 2:h2*");
  expect(await org.snapshots.list({})).toEqual([second]);
});

describe("publishing", () => {
  it("a content that is current is no new version, but what it says of the name holds", async () => {
    await make("h1");
    expect(await make("h1", { labels: { a: "2" }, retention: { keepLast: 3 }, owner: "you" })).toMatchObject({
      ...{ version: 1, labels: { a: "2" }, retention: { keepLast: 3 }, owner: "you" },
    });
    expect(await shape()).toBe("1:h1*");
  });

  it("a content that was superseded makes its version current again", async () => {
    for (const hash of ["h1", "h2", "h1"]) await make(hash);
    expect(await shape()).toBe("1:h1* 2:h2");
  });

  it("takes the checkpoint of the last build", async () => {
    await make("h1");
    await org.saveImage(MANIFEST, checkpointRow("newer", "h1"));
    const again = await org.snapshots.publish(wishFor("s", "h1"), { checkpointId: "newer", buildId: "b" }, 1);
    expect(again).toMatchObject({ checkpointId: "newer", buildId: "b" });
  });

  it("never gives a number twice", async () => {
    for (const hash of ["h1", "h2"]) await make(hash);
    await org.snapshots.promote(await version(1), 2);
    await org.snapshots.deleteVersion(await version(2));
    await make("h3");
    expect(await shape()).toBe("1:h1 3:h3*");
  });

  it.each<[string, () => Promise<unknown>, object, string]>([
    ["a name that is free", async () => {}, {}, "1:h1*"],
    ["a name whose only build failed", () => failed("h9"), {}, "1:h1*"],
    ["what somebody made just then", () => make("h1", { owner: "me" }), { owner: "me" }, "1:h1*"],
  ])("takes %s, where it must be new", async (_what, prepare, more, expected) => {
    await prepare();
    await make("h1", { isNew: true, ...more });
    expect(await shape()).toBe(expected);
  });

  it.each<[string, () => Promise<unknown>, object]>([
    ["with another content", () => make("h9"), {}],
    ["that is being made of another content", () => org.snapshots.reserve(wishFor("s", "h9"), 1), {}],
    ["of another owner", () => make("h1", { owner: "you" }), { owner: "me" }],
    ["of nobody", () => make("h1"), { owner: "me" }],
  ])("refuses a name %s, where it must be new", async (_what, prepare, more) => {
    await prepare();
    const left = await shape();
    await expect(make("h1", { isNew: true, ...more })).rejects.toMatchObject({ code: "conflict" });
    expect(await shape()).toBe(left);
  });
});

const failed = async (hash: string) => {
  const key = await org.snapshots.reserve(wishFor("s", hash), 1);
  await org.snapshots.fail(key, { error: { error: "no" }, buildId: "b" });
  return key;
};

describe("a version that is reserved", () => {
  it("of a new name is what the name means", async () => {
    await org.snapshots.reserve(wishFor("s", "h1"), 1);
    expect(await shape()).toBe("1:h1(building)*");
  });

  it("leaves the current one alone while it is made, where it fails, and after a crash", async () => {
    await make("h1");
    const key = await org.snapshots.reserve(wishFor("s", "h2", { labels: { a: "new" } }), 1);
    expect(await shape()).toBe("1:h1* 2:h2(building)");
    await store.settleInterrupted({ error: "stopped" }, 2);
    expect(await shape()).toBe("1:h1* 2:h2(failed)");
    await org.snapshots.fail(key, { error: { error: "another" }, buildId: "b" });
    expect(await version(2)).toMatchObject({ error: { error: "stopped" }, labels: {} });
  });

  it("keeps its number when it is tried anew, and goes when another is made", async () => {
    await make("h1");
    await failed("h2");
    const again = await org.snapshots.reserve(wishFor("s", "h2"), 1);
    expect(again).toMatchObject({ version: 2, status: "building", error: null });
    await org.snapshots.fail(again, { error: { error: "no" }, buildId: "b" });
    await make("h3");
    expect(await shape()).toBe("1:h1 3:h3*");
  });

  it("is promoted when it is done", async () => {
    await make("h1");
    const reserved = await org.snapshots.reserve(wishFor("s", "h2"), 1);
    await org.saveImage(MANIFEST, checkpointRow("c2", "h2"));
    await org.snapshots.publish(wishFor("s", "h2"), { checkpointId: "c2", buildId: "b", reserved }, 1);
    expect(await shape()).toBe("1:h1 2:h2*");
  });

  it("does not come back where its name was deleted meanwhile, even if somebody else has that now", async () => {
    const reserved = await org.snapshots.reserve(wishFor("s", "h1"), 1);
    await org.snapshots.deleteName("s");
    await make("h1");
    const built = { checkpointId: "c-a-h1", buildId: "b", reserved };
    await expect(org.snapshots.publish(wishFor("s", "h1"), built, 1)).rejects.toMatchObject({
      code: "build_cancelled",
    });
  });
});

describe("references", () => {
  it("mean the current version, a number, the beginning of a hash, a tag", async () => {
    for (const hash of ["aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb1"]) await make(hash, { retention: { keepLast: 9 } });
    await org.snapshots.tag(await version(2), "stable");
    const find = async (ref: object) => {
      const rows = await org.snapshots.find({ name: "s", ...ref } as Parameters<typeof org.snapshots.find>[0]);
      return rows.map((row) => row.version).sort();
    };
    expect(await find({ kind: "current" })).toEqual([3]);
    expect(await find({ kind: "version", version: 1 })).toEqual([1]);
    expect(await find({ kind: "version", version: 4 })).toEqual([]);
    expect(await find({ kind: "hash", digits: "bbbbbbbb" })).toEqual([3]);
    expect(await find({ kind: "hash", digits: "aaaaaaaa" })).toEqual([1, 2]);
    expect(await find({ kind: "tag", tag: "stable" })).toEqual([2]);
    expect(await find({ kind: "tag", tag: "other" })).toEqual([]);
  });
});

describe("tags", () => {
  it("move, are told in order, and go with their version", async () => {
    for (const hash of ["h1", "h2"]) await make(hash);
    for (const tag of ["z", "b"]) await org.snapshots.tag(await version(1), tag);
    expect((await version(1)).tags).toEqual(["b", "z"]);
    await org.snapshots.tag(await version(2), "z");
    expect([(await version(1)).tags, (await version(2)).tags]).toEqual([["b"], ["z"]]);
    await org.snapshots.deleteVersion(await version(1));
    expect(await org.snapshots.untag("s", "b")).toBe(false);
    expect(await org.snapshots.untag("s", "z")).toBe(true);
    expect((await version(2)).tags).toEqual([]);
  });
});

describe("retention", () => {
  const rules: [string, RetentionRule | undefined, number, string][] = [
    ["by default, the one that was current last", undefined, 1, "4:h4 5:h5*"],
    ["none", { keepLast: 0 }, 1, "5:h5*"],
    ["the last two", { keepLast: 2 }, 1, "3:h3 4:h4 5:h5*"],
    ["all, while they are young", { keepLast: 9, ttlSeconds: 60 }, 60_000, "1:h1 2:h2 3:h3 4:h4 5:h5*"],
    ["none that is old", { keepLast: 9, ttlSeconds: 60 }, 60_004, "4:h4 5:h5*"],
    ["never the current one, however old", { keepLast: 0, ttlSeconds: 1 }, 1e9, "5:h5*"],
  ];
  it.each(rules)("keeps %s", async (_what, retention, later, expected) => {
    for (const [index, hash] of ["h1", "h2", "h3", "h4", "h5"].entries()) {
      await make(hash, retention ? { retention } : {}, index + 1);
    }
    await store.dropSuperseded(later);
    expect(await shape()).toBe(expected);
  });

  it("keeps what has a tag, which does not count", async () => {
    await make("h1");
    await org.snapshots.tag(await version(1), "golden");
    for (const hash of ["h2", "h3", "h4"]) await make(hash);
    expect(await shape()).toBe("1:h1 3:h3 4:h4*");
    await org.snapshots.untag("s", "golden");
    await store.dropSuperseded(2);
    expect(await shape()).toBe("3:h3 4:h4*");
  });

  it("counts from when a version was superseded, also after a rollback", async () => {
    for (const hash of ["h1", "h2", "h3"]) await make(hash, { retention: { keepLast: 2 } });
    await org.snapshots.promote(await version(1), 5);
    await make("h4", {}, 6);
    expect(await shape()).toBe("1:h1 3:h3 4:h4*");
  });

  it("counts in the order in which versions were superseded, wherever the clock was", async () => {
    for (const [index, hash] of ["h1", "h2", "h3", "h4"].entries())
      await make(hash, { retention: { keepLast: 2 } }, 9 - index);
    expect(await shape()).toBe("2:h2 3:h3 4:h4*");
  });

  it("forgets by age what was superseded after a clock was ahead for a while", async () => {
    const rule = { keepLast: 9, ttlSeconds: 60 };
    for (const [hash, now] of [
      ["h1", 1],
      ["h2", 1e9],
      ["h3", 2],
      ["h4", 3],
    ] as const)
      await make(hash, { retention: rule }, now);
    await store.dropSuperseded(60_003);
    expect(await shape()).toBe("1:h1 4:h4*");
  });

  it("is of each name", async () => {
    for (const name of ["s", "t"]) for (const hash of ["h1", "h2", "h3"]) await publish(org, wishFor(name, hash));
    await store.dropSuperseded(9);
    expect(await shape()).toBe("2:h2 3:h3*");
    expect(await org.snapshots.listVersions("t")).toHaveLength(2);
  });

  it("leaves versions alone that are being made or failed", async () => {
    await make("h1", { retention: { keepLast: 0 } });
    await org.snapshots.reserve(wishFor("s", "h2"), 1);
    await failed("h3");
    await store.dropSuperseded(1e9);
    expect(await shape()).toBe("1:h1* 2:h2(building) 3:h3(failed)");
  });
});

describe("deleting", () => {
  it("one version", async () => {
    for (const hash of ["h1", "h2"]) await make(hash);
    await expect(org.snapshots.deleteVersion(await version(2))).rejects.toMatchObject({ code: "conflict" });
    expect(await org.snapshots.deleteVersion(await version(1))).toBe(true);
    expect(await shape()).toBe("2:h2*");
  });

  it("the only version takes the name with it, and the next one begins anew", async () => {
    const { id } = await make("h1");
    expect(await org.snapshots.deleteVersion({ id, version: 1 })).toBe(true);
    expect(await org.snapshots.deleteVersion({ id, version: 1 })).toBe(false);
    const next = await make("h1");
    expect(next.version).toBe(1);
    expect(next.id).not.toBe(id);
  });
});

it("promotes only what is ready", async () => {
  await make("h1");
  await org.snapshots.reserve(wishFor("s", "h2"), 1);
  expect(await org.snapshots.promote(await version(2), 1)).toBe(false);
  expect(await org.snapshots.promote({ id: "gone", version: 1 }, 1)).toBe(false);
  expect(await shape()).toBe("1:h1* 2:h2(building)");
});

it("changes what a change names", async () => {
  await make("h1", { labels: { a: "1", b: "2" }, retention: { keepLast: 4 } });
  expect(await org.snapshots.change("s", { labels: { c: "3" } })).toBe(true);
  expect(await currentOf(org, "s")).toMatchObject({ labels: { c: "3" }, retention: { keepLast: 4 } });
  expect(await org.snapshots.change("s", { retention: { ttlSeconds: 9 } })).toBe(true);
  expect(await currentOf(org, "s")).toMatchObject({ labels: { c: "3" }, retention: { ttlSeconds: 9 } });
  expect(await org.snapshots.change("s", {})).toBe(true);
  expect(await org.snapshots.change("gone", { labels: {} })).toBe(false);
});

it("lists names that have all labels", async () => {
  await publish(org, wishFor("x", "h", { labels: { stage: "prod", "team.x/y": "a=b" } }));
  await publish(org, wishFor("y", "h", { labels: { stage: "prod" } }));
  const names = async (labels: Record<string, string>) => (await org.snapshots.list(labels)).map((row) => row.name);
  expect(await names({})).toEqual(["y", "x"]);
  expect(await names({ stage: "prod" })).toEqual(["y", "x"]);
  expect(await names({ stage: "prod", "team.x/y": "a=b" })).toEqual(["x"]);
  expect(await names({ stage: "dev" })).toEqual([]);
});

it("knows its running users, but not those of a name that was deleted", async () => {
  const user = (id: string, snapshotId: string, snapshotVersion: number, more: Partial<SandboxRow> = {}) =>
    org.insertSandbox(sandboxRow(id, { snapshot: "s", snapshotId, snapshotVersion, ...more }));
  const deleted = await make("h0");
  await user("before", deleted.id, 1, { startedAt: 9 });
  await org.snapshots.deleteVersion(deleted);
  const { id } = await make("h1", {}, 5);
  await user("one", id, 1, { startedAt: 5 });
  // The clock was set back.
  await user("two", id, 2, { startedAt: 3 });
  await user("dead", id, 2, { status: "stopped" });
  await user("else", "another", 1, { snapshot: "t" });
  expect(await org.snapshots.listUsers("s")).toEqual([
    { sandboxId: "two", version: 2 },
    { sandboxId: "one", version: 1 },
  ]);
});

describe("a home of before there were versions", () => {
  it("has each snapshot as the first version of its name", async () => {
    await store.close();
    const path = join(dir, "old.db");
    await makeOldHome(path, "0002_blob_references", {
      snapshots: [
        oldSnapshot("one", { last_used_at: 8 }),
        oldSnapshot("two", { status: "failed", error: '{"error":"no"}', build_id: "b" }),
      ],
      sandboxes: [
        {
          ...{
            id: "sb",
            org_id: "a",
            status: "running",
            checkpoint_id: "c",
            snapshot: "one",
            envs: "{}",
            metadata: "{}",
          },
          ...{ memory_mb: 1, cpu_count: 1, timeout_seconds: 0, deadline: null, started_at: 9, stopped_at: null },
        },
      ],
    });
    store = await openSqliteStore(path);
    org = store.forOrg("a");
    expect((await org.snapshots.list({})).map(describeRow)).toEqual(["1:h-two(failed)*", "1:h-one*"]);
    const one = { id: "id-one", createdAt: 5, lastUsedAt: 8, labels: {}, owner: null };
    expect(await currentOf(org, "one")).toMatchObject(one);
    expect(await currentOf(org, "two")).toMatchObject({ id: "id-two", error: { error: "no" }, buildId: "b" });
    expect(await org.snapshots.listUsers("one")).toEqual([{ sandboxId: "sb", version: 1 }]);
    expect(await publish(org, wishFor("one", "h-one"))).toMatchObject({ id: "id-one", version: 1 });
  });

  it("is opened also where the server was killed before it noted that the migration was done", async () => {
    await store.close();
    const path = join(dir, "old.db");
    await makeOldHome(path, "0003_snapshot_versions", {});
    const raw = new SqliteDatabase(path);
    raw.exec("delete from kysely_migration where name = '0003_snapshot_versions'");
    raw.close();
    store = await openSqliteStore(path);
    expect(await store.forOrg("a").snapshots.list({})).toEqual([]);
  });
});
