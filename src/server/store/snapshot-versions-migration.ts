import { type Migration, sql } from "kysely";

/**
 * Splits snapshots into names and versions: what was a snapshot becomes a name whose first version is current. All of it
 * or nothing, and again is fine: SQLite's migrations are not wrapped in a transaction by themselves, and a crash may come
 * before this one is noted as done.
 */
export const snapshotVersionsMigration: Migration = {
  async up(db) {
    await db.transaction().execute(async (tx) => {
      const done = await sql`select 1 from sqlite_master where name = 'snapshot_versions'`.execute(tx);
      if (done.rows.length > 0) return;
      for (const statement of STATEMENTS) await sql.raw(statement).execute(tx);
    });
  },
};

const STATEMENTS = [
  "alter table snapshots rename to old_snapshots",

  `create table snapshots (
    id text primary key, org_id text not null references organisations (id), name text not null,
    current_version integer not null, next_version integer not null, labels text not null, retention text, owner text,
    created_at integer not null, unique (org_id, name))`,

  `create table snapshot_versions (
    seq integer primary key autoincrement, snapshot_id text not null references snapshots (id) on delete cascade,
    org_id text not null references organisations (id), version integer not null, status text not null,
    content_hash text not null, manifest text not null, checkpoint_id text references checkpoints (id), build_id text,
    error text, created_at integer not null, superseded_at integer, last_used_at integer,
    unique (snapshot_id, version), unique (snapshot_id, content_hash))`,
  "create index snapshot_versions_by_checkpoint on snapshot_versions (checkpoint_id)",

  `create table snapshot_tags (
    snapshot_id text not null, tag text not null, version integer not null, primary key (snapshot_id, tag),
    foreign key (snapshot_id, version) references snapshot_versions (snapshot_id, version) on delete cascade)
    without rowid`,

  `insert into snapshots (id, org_id, name, current_version, next_version, labels, created_at)
    select id, org_id, name, 1, 2, '{}', created_at from old_snapshots`,

  `insert into snapshot_versions (
      snapshot_id, org_id, version, status, content_hash, manifest, checkpoint_id, build_id, error, created_at, last_used_at)
    select id, org_id, 1, status, content_hash, manifest, checkpoint_id, build_id, error, created_at, last_used_at
    from old_snapshots order by seq`,

  "drop table old_snapshots",

  "alter table sandboxes add column snapshot_version integer",
  "update sandboxes set snapshot_version = 1 where snapshot is not null",
] as const;
