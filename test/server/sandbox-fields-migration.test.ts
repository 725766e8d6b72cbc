import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { Kysely, Migrator, SqliteDialect, sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listMigrations } from "../../src/server/store/migrations";
import { sandboxFieldsMigration } from "../../src/server/store/sandbox-fields-migration";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { Tables } from "../../src/server/store/tables";

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-fields-"));
  file = join(dir, "server.db");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const open = () => new Kysely<Tables>({ dialect: new SqliteDialect({ database: new SqliteDatabase(file) }) });

it("gives the sandboxes of an older home what they had without saying it, and may be done twice", async () => {
  const db = open();
  const all = Object.entries(listMigrations(dir));
  const older = Object.fromEntries(all.filter(([name]) => name < "0004"));
  await new Migrator({ db, provider: { getMigrations: async () => older } }).migrateToLatest();
  await sql`insert into organisations values ('a', 'a')`.execute(db);
  await sql`insert into sandboxes (id, org_id, status, checkpoint_id, envs, metadata, memory_mb, cpu_count,
    timeout_seconds, started_at) values ('sb-1', 'a', 'running', 'c', '{}', '{}', 64, 1, 0, 1)`.execute(db);
  // A crash after the work and before the note that it was done.
  await sandboxFieldsMigration.up(db);
  await db.destroy();

  const store = await openSqliteStore(file);
  const row = await store.forOrg("a").getSandbox("sb-1");
  expect(row).toMatchObject({
    tags: {},
    tagsUpdatedAt: null,
    network: "egress",
    owner: null,
    diskMB: null,
    stopReason: null,
  });
  await store.close();
});
