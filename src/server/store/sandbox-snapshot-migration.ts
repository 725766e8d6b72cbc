import { type Migration, sql } from "kysely";

/**
 * Tells sandboxes which snapshot they are of, by more than its name: a name that is given again is another's, and moments
 * do not tell which, because clocks are set. All or nothing, and again is fine, as a crash may want it.
 */
export const sandboxSnapshotMigration: Migration = {
  async up(db) {
    await db.transaction().execute(async (tx) => {
      const done = await sql`select 1 from pragma_table_info('sandboxes') where name = 'snapshot_id'`.execute(tx);
      if (done.rows.length > 0) return;
      for (const statement of STATEMENTS) await sql.raw(statement).execute(tx);
    });
  },
};

const STATEMENTS = [
  "alter table sandboxes add column snapshot_id text",
  `update sandboxes set snapshot_id = (
    select id from snapshots s
    where s.org_id = sandboxes.org_id and s.name = sandboxes.snapshot and s.created_at <= sandboxes.started_at)`,
] as const;
