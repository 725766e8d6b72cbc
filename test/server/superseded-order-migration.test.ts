import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { Kysely, Migrator, SqliteDialect, sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listMigrations } from "../../src/server/store/migrations";
import { supersededOrderMigration } from "../../src/server/store/superseded-order-migration";
import type { Tables } from "../../src/server/store/tables";

let dir: string;
let db: Kysely<Tables>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-order-"));
  db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: new SqliteDatabase(join(dir, "server.db")) }) });
});
afterEach(async () => {
  await db.destroy();
  await rm(dir, { recursive: true, force: true });
});

it("numbers the versions of an older home in the order in which they were superseded, each name's by itself", async () => {
  const older = Object.fromEntries(Object.entries(listMigrations(dir)).filter(([name]) => name < "0008"));
  await new Migrator({ db, provider: { getMigrations: async () => older } }).migrateToLatest();
  await sql`insert into organisations values ('a', 'a')`.execute(db);
  for (const id of ["s", "t"]) {
    await sql`insert into snapshots (id, org_id, name, current_version, next_version, labels, created_at)
      values (${id}, 'a', ${id}, 4, 5, '{}', 1)`.execute(db);
    // The first one was current once more after the second.
    for (const [version, supersededAt] of [
      [1, 30],
      [2, 20],
      [3, 40],
      [4, null],
    ] as const) {
      await sql`insert into snapshot_versions
        (snapshot_id, org_id, version, status, content_hash, manifest, created_at, superseded_at)
        values (${id}, 'a', ${version}, 'ready', ${String(version)}, '{}', 1, ${supersededAt})`.execute(db);
    }
  }
  // A crash may want it twice.
  for (let times = 0; times < 2; times++) await supersededOrderMigration.up(db);
  const { rows } = await sql`select snapshot_id, version, superseded_seq as seq from snapshot_versions
    order by snapshot_id, version`.execute(db);
  expect(rows.map((row) => Object.values(row as object).join(":"))).toEqual([
    "s:1:2",
    "s:2:1",
    "s:3:3",
    "s:4:",
    "t:1:2",
    "t:2:1",
    "t:3:3",
    "t:4:",
  ]);
});
