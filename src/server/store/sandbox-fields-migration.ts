import { type Migration, sql } from "kysely";

/** Gives sandboxes tags, a network policy and an owner. All of it or nothing, and again is fine, as a crash may want it. */
export const sandboxFieldsMigration: Migration = {
  async up(db) {
    await db.transaction().execute(async (tx) => {
      const done = await sql`select 1 from pragma_table_info('sandboxes') where name = 'tags'`.execute(tx);
      if (done.rows.length > 0) return;
      for (const statement of STATEMENTS) await sql.raw(statement).execute(tx);
    });
  },
};

const STATEMENTS = [
  "alter table sandboxes add column tags text not null default '{}'",
  "alter table sandboxes add column tags_updated_at integer",
  `alter table sandboxes add column network text not null default '"egress"'`,
  "alter table sandboxes add column owner text",
  // Whatever goes wrong elsewhere: an owner has one at most.
  `create unique index sandboxes_by_owner on sandboxes (org_id, owner)
    where owner is not null and status in ('creating', 'running')`,
] as const;
