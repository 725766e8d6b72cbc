import { type Migration, sql } from "kysely";

/** Gives sandboxes a disk quota and a reason why they stopped. All or nothing, and again is fine, as a crash may want it. */
export const sandboxDiskMigration: Migration = {
  async up(db) {
    await db.transaction().execute(async (tx) => {
      const done = await sql`select 1 from pragma_table_info('sandboxes') where name = 'disk_mb'`.execute(tx);
      if (done.rows.length > 0) return;
      for (const statement of STATEMENTS) await sql.raw(statement).execute(tx);
    });
  },
};

const STATEMENTS = [
  "alter table sandboxes add column disk_mb integer",
  "alter table sandboxes add column stop_reason text",
] as const;
