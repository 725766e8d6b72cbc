import { dirname, join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { Kysely, Migrator, SqliteDialect } from "kysely";
import { listMigrations } from "../../src/server/store/migrations";
import type { Tables } from "../../src/server/store/tables";

/** Makes a database as an older version left it, with organisation `a` and the given rows. */
export async function makeOldHome(path: string, newestMigration: string, fill: Readonly<Record<string, object[]>>) {
  const database = new SqliteDatabase(path);
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const migrations = listMigrations(join(dirname(path), "blobs"));
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => migrations } }).migrateTo(
    newestMigration,
  );
  if (error) throw error;
  database.prepare("insert into organisations (id, name) values ('a', 'a')").run();
  for (const [table, rows] of Object.entries(fill)) {
    for (const row of rows) {
      const columns = Object.keys(row);
      const places = columns.map((column) => `@${column}`);
      database.prepare(`insert into ${table} (${columns}) values (${places})`).run(row);
    }
  }
  await db.destroy();
}

/** A snapshot as it was before there were versions. */
export function oldSnapshot(name: string, more: object = {}) {
  return {
    ...{ id: `id-${name}`, org_id: "a", name, status: "ready", content_hash: `h-${name}`, checkpoint_id: null },
    ...{ manifest: '{"base":"base","steps":[]}', build_id: null, error: null, created_at: 5, last_used_at: null },
    ...more,
  };
}
