import { type Migration, sql } from "kysely";

/**
 * Numbers versions in the order in which they were superseded: moments do not tell it, because clocks are set. All or
 * nothing, and again is fine, as a crash may want it.
 */
export const supersededOrderMigration: Migration = {
  async up(db) {
    await db.transaction().execute(async (tx) => {
      const done =
        await sql`select 1 from pragma_table_info('snapshot_versions') where name = 'superseded_seq'`.execute(tx);
      if (done.rows.length > 0) return;
      for (const statement of STATEMENTS) await sql.raw(statement).execute(tx);
    });
  },
};

const STATEMENTS = [
  "alter table snapshot_versions add column superseded_seq integer",
  `update snapshot_versions set superseded_seq = (
    select count(*) from snapshot_versions v
    where v.snapshot_id = snapshot_versions.snapshot_id
      and (v.superseded_at, v.version) <= (snapshot_versions.superseded_at, snapshot_versions.version))
    where superseded_at is not null`,
] as const;
