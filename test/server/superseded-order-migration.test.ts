import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { Kysely, SqliteDialect, sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { supersededOrderMigration } from "../../src/server/store/superseded-order-migration";
import type { Tables } from "../../src/server/store/tables";
import { makeOldHome } from "./old-home";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-order-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A name whose first version was current once more after the second. */
const snapshot = (id: string) => ({
  ...{ id, org_id: "a", name: id, created_at: 1 },
  ...{ current_version: 4, next_version: 5, labels: "{}" },
});
const versions = (id: string) =>
  [30, 20, 40, null].map((superseded_at, index) => ({
    ...{ snapshot_id: id, org_id: "a", version: index + 1, status: "ready", content_hash: `h${index}`, manifest: "{}" },
    ...{ created_at: 1, superseded_at },
  }));

it("numbers the versions of an older home in the order in which they were superseded, each name's by itself", async () => {
  const path = join(dir, "server.db");
  await makeOldHome(path, "0007_sandbox_snapshot", {
    snapshots: ["s", "t"].map(snapshot),
    snapshot_versions: ["s", "t"].flatMap(versions),
  });
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: new SqliteDatabase(path) }) });
  // A crash may want it twice.
  for (let times = 0; times < 2; times++) await supersededOrderMigration.up(db);
  const { rows } = await sql`select snapshot_id, version, superseded_seq as seq from snapshot_versions
    order by snapshot_id, version`.execute(db);
  await db.destroy();
  const numbers = rows.map((row) => Object.values(row as object).join(":"));
  expect(numbers).toEqual(["s:1:2", "s:2:1", "s:3:3", "s:4:", "t:1:2", "t:2:1", "t:3:3", "t:4:"]);
});
