import { type Kysely, type Migration, Migrator, sql } from "kysely";
import { OpenComputerError } from "../../errors";
import { blobReferencesMigration } from "./blob-references-migration";
import { sandboxCheckpointsMigration } from "./sandbox-checkpoints-migration";
import { sandboxDiskMigration } from "./sandbox-disk-migration";
import { sandboxFieldsMigration } from "./sandbox-fields-migration";
import { sandboxSnapshotMigration } from "./sandbox-snapshot-migration";
import { snapshotVersionsMigration } from "./snapshot-versions-migration";
import { supersededOrderMigration } from "./superseded-order-migration";
import type { Tables } from "./tables";

/**
 * Brings a database to the newest schema. A migration that has shipped is never edited; a change is a new one.
 *
 * @param blobDir the home's folder of blobs
 * @throws conflict where the database was written by a newer version of this package
 */
export async function migrateToLatest(db: Kysely<Tables>, blobDir: string): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => listMigrations(blobDir) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const reason = error instanceof Error ? error.message : String(error);
  throw new OpenComputerError(
    "conflict",
    `the server's database cannot be brought to this version's schema: ${reason}. ` +
      "A newer version of pulumi-opencomputer may have written it: use that version, or another OPENCOMPUTER_HOME.",
    { cause: error },
  );
}

/** All steps of the schema, by name, oldest first. */
export function listMigrations(blobDir: string): Record<string, Migration> {
  return {
    "0001_first": first,
    "0002_blob_references": blobReferencesMigration(blobDir),
    "0003_snapshot_versions": snapshotVersionsMigration,
    "0004_sandbox_fields": sandboxFieldsMigration,
    "0005_sandbox_checkpoints": sandboxCheckpointsMigration,
    "0006_sandbox_disk": sandboxDiskMigration,
    "0007_sandbox_snapshot": sandboxSnapshotMigration,
    "0008_superseded_order": supersededOrderMigration,
  };
}

const first: Migration = {
  async up(db) {
    for (const statement of FIRST_SCHEMA) await sql.raw(statement).execute(db);
  },
};

const FIRST_SCHEMA = [
  "create table organisations (id text primary key, name text not null)",

  `create table api_keys (
    id text primary key, org_id text not null references organisations (id), hash text not null unique,
    prefix text not null, created_at integer not null)`,

  `create table checkpoints (
    id text primary key, org_id text not null references organisations (id), content_hash text not null,
    checkpoint text not null, base_digest text not null, build_id text not null, created_at integer not null)`,

  `create table images (
    org_id text not null references organisations (id), content_hash text not null, manifest text not null,
    checkpoint_id text not null references checkpoints (id), created_at integer not null,
    primary key (org_id, content_hash))`,

  `create table snapshots (
    seq integer primary key autoincrement, id text not null unique, org_id text not null references organisations (id),
    name text not null, status text not null, content_hash text not null, manifest text not null,
    checkpoint_id text references checkpoints (id), build_id text, error text,
    created_at integer not null, last_used_at integer, unique (org_id, name))`,

  `create table builds (
    seq integer primary key autoincrement, id text not null unique, org_id text not null references organisations (id),
    content_hash text not null, name text, status text not null, error text, log_path text not null,
    started_at integer not null, finished_at integer)`,
  "create index builds_by_name on builds (org_id, name)",

  `create table sandboxes (
    seq integer primary key autoincrement, id text not null unique, org_id text not null references organisations (id),
    status text not null, checkpoint_id text not null, snapshot text, envs text not null, metadata text not null,
    memory_mb integer not null, cpu_count real not null, timeout_seconds integer not null, deadline integer,
    started_at integer not null, stopped_at integer)`,
  "create index sandboxes_by_status on sandboxes (status)",

  `create table blobs (
    org_id text not null references organisations (id), digest text not null, size_bytes integer not null,
    touched_at integer not null, primary key (org_id, digest))`,
] as const;
