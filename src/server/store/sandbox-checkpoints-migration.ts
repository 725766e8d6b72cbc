import { type Migration, sql } from "kysely";

/**
 * Gives sandboxes checkpoints, sleep and a way back, and snapshots warm pools. A sandbox has a row now only once it runs.
 * All of it or nothing, and again is fine, as a crash may want it.
 */
export const sandboxCheckpointsMigration: Migration = {
  async up(db) {
    await db.transaction().execute(async (tx) => {
      const done = await sql`select 1 from sqlite_master where name = 'sandbox_checkpoints'`.execute(tx);
      if (done.rows.length > 0) return;
      for (const statement of STATEMENTS) await sql.raw(statement).execute(tx);
    });
  },
};

const STATEMENTS = [
  "update sandboxes set status = 'stopped', stopped_at = started_at, deadline = null where status = 'creating'",
  "alter table sandboxes add column restoring_to text",
  "drop index sandboxes_by_owner",
  `create unique index sandboxes_by_owner on sandboxes (org_id, owner)
    where owner is not null and status in ('running', 'hibernated')`,
  "create index sandboxes_by_checkpoint on sandboxes (checkpoint_id)",

  // One that is ready has a row in checkpoints under its own id: what sandboxes start from.
  `create table sandbox_checkpoints (
    seq integer primary key autoincrement, id text not null unique, org_id text not null references organisations (id),
    sandbox_id text not null, name text not null, kind text not null, status text not null, size_bytes integer not null,
    error text, source text not null, owner text, created_at integer not null, failed_at integer,
    unique (org_id, sandbox_id, name))`,

  "alter table snapshots add column warm_pool integer not null default 0",
] as const;
