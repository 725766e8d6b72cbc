import { dirname, join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { Kysely, SqliteDialect, sql } from "kysely";
import { type ErrorJson, OpenComputerError } from "../../errors";
import { migrateToLatest } from "./migrations";
import { toCheckpoint, toSandbox } from "./rows";
import { dropBlobs } from "./sqlite-blobs";
import { SqliteOrgStore } from "./sqlite-org-store";
import { dropSuperseded } from "./sqlite-retention";
import type {
  ApiKeyRow,
  CheckpointRow,
  InterruptedCounts,
  OrgStore,
  OwnedRow,
  SandboxRow,
  SandboxStatus,
  Store,
} from "./store";
import type { Tables } from "./tables";

/**
 * Opens the database file, makes it where it is missing and brings its schema up to date. What it acknowledged survives
 * power loss: write-ahead log, synced at every commit. The folder of blobs lies beside it.
 *
 * @throws damaged where its pages make no sense
 */
export async function openSqliteStore(path: string, { reservesRoom = false }: SqliteOptions = {}): Promise<Store> {
  const database = openWhole(path);
  if (reservesRoom) reserveRoom(database);
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  try {
    await migrateToLatest(db, join(dirname(path), "blobs"));
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return new SqliteStore(db);
}

export interface SqliteOptions {
  /** Whether its files have room at once for what is written when the disk is full. Default: false. */
  readonly reservesRoom?: boolean;
}

/** As much as the write-ahead log grows to before it begins again, and some more. */
const RESERVED_BYTES = 4_500_000;

/**
 * Has the database's own files grown before anybody needs that: the log is written over from its beginning again and again,
 * and new rows take pages that are free. So what is deleted on a full disk, or has failed there, can be written down.
 */
function reserveRoom(database: SqliteDatabase.Database): void {
  try {
    database.exec(`create table room (bytes blob); insert into room values (zeroblob(${RESERVED_BYTES}))`);
  } catch (error) {
    // Where there is no room already, it is needed the more as it is.
    if (!(error instanceof SqliteDatabase.SqliteError && error.code === "SQLITE_FULL")) throw error;
  }
  database.exec("drop table if exists room");
}

function openWhole(path: string): SqliteDatabase.Database {
  const database = new SqliteDatabase(path);
  try {
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.pragma("foreign_keys = ON");
    database.pragma("busy_timeout = 5000");
    const found = String(database.pragma("quick_check(1)", { simple: true }));
    if (found !== "ok") throw databaseDamaged(path, found);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof SqliteDatabase.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) {
      throw databaseDamaged(path, error.message);
    }
    throw error;
  }
}

function databaseDamaged(path: string, found: string): OpenComputerError {
  const message = `the database is damaged (${path}: ${found})`;
  const advice = "put back a copy of it with its -wal beside it, or move it away to begin anew without its snapshots";
  return new OpenComputerError("damaged", `${message}; ${advice}`);
}

class SqliteStore implements Store {
  constructor(private readonly db: Kysely<Tables>) {}

  forOrg(orgId: string): OrgStore {
    return new SqliteOrgStore(this.db, orgId);
  }

  async ensureOrganisation(org: { readonly id: string; readonly name: string }): Promise<void> {
    await this.db
      .insertInto("organisations")
      .values({ id: org.id, name: org.name })
      .onConflict((clash) => clash.doNothing())
      .execute();
  }

  async addApiKey(key: ApiKeyRow): Promise<void> {
    const { id, orgId, hash, prefix, createdAt } = key;
    await this.db.insertInto("api_keys").values({ id, org_id: orgId, hash, prefix, created_at: createdAt }).execute();
  }

  async dropApiKeys(orgId: string): Promise<void> {
    await this.db.deleteFrom("api_keys").where("org_id", "=", orgId).execute();
  }

  async findApiKey(hash: string): Promise<ApiKeyRow | undefined> {
    const row = await this.db.selectFrom("api_keys").selectAll().where("hash", "=", hash).executeTakeFirst();
    if (row === undefined) return undefined;
    return { id: row.id, orgId: row.org_id, hash: row.hash, prefix: row.prefix, createdAt: row.created_at };
  }

  async listSandboxes(statuses: readonly SandboxStatus[]): Promise<OwnedRow<SandboxRow>[]> {
    const rows = await this.db.selectFrom("sandboxes").selectAll().where("status", "in", statuses).execute();
    return rows.map((row) => ({ ...toSandbox(row), orgId: row.org_id }));
  }

  async listWarmPools(): Promise<OwnedRow<{ readonly name: string }>[]> {
    const rows = await this.db.selectFrom("snapshots").select(["org_id", "name"]).where("warm_pool", ">", 0).execute();
    return rows.map((row) => ({ orgId: row.org_id, name: row.name }));
  }

  async listCheckpoints(): Promise<OwnedRow<CheckpointRow>[]> {
    const rows = await this.db.selectFrom("checkpoints").selectAll().execute();
    return rows.map((row) => ({ ...toCheckpoint(row), orgId: row.org_id }));
  }

  async settleInterrupted(reason: ErrorJson, now: number): Promise<InterruptedCounts> {
    const error = JSON.stringify(reason);
    return await this.db.transaction().execute(async (tx) => {
      const builds = await tx
        .updateTable("builds")
        .set({ status: "cancelled", error, finished_at: now })
        .where("status", "=", "running")
        .executeTakeFirstOrThrow();
      const snapshots = await tx
        .updateTable("snapshot_versions")
        .set({ status: "failed", error })
        .where("status", "=", "building")
        .executeTakeFirstOrThrow();
      const checkpoints = await tx
        .updateTable("sandbox_checkpoints")
        .set({ status: "failed", error, failed_at: now })
        .where("status", "=", "processing")
        .executeTakeFirstOrThrow();
      return {
        builds: Number(builds.numUpdatedRows),
        snapshots: Number(snapshots.numUpdatedRows),
        checkpoints: Number(checkpoints.numUpdatedRows),
      };
    });
  }

  async dropSuperseded(now: number): Promise<void> {
    await dropSuperseded(this.db, now);
  }

  async dropUnneeded(): Promise<{ images: number; checkpoints: number }> {
    return await this.db.transaction().execute(async (tx) => {
      const images = await sql`delete from images where
        checkpoint_id not in (select checkpoint_id from snapshot_versions where checkpoint_id is not null)
        and checkpoint_id not in (select checkpoint_id from sandboxes where status <> 'stopped')`.execute(tx);
      const checkpoints = await sql`delete from checkpoints where
        id not in (select checkpoint_id from images)
        and id not in (select checkpoint_id from snapshot_versions where checkpoint_id is not null)
        and id not in (select id from sandbox_checkpoints)
        and id not in (select checkpoint_id from sandboxes where status <> 'stopped')
        and id not in (select restoring_to from sandboxes where status <> 'stopped' and restoring_to is not null)`.execute(
        tx,
      );
      return { images: Number(images.numAffectedRows ?? 0), checkpoints: Number(checkpoints.numAffectedRows ?? 0) };
    });
  }

  async dropHistory(before: number): Promise<{ logPaths: string[] }> {
    return await this.db.transaction().execute(async (tx) => {
      await tx.deleteFrom("sandboxes").where("status", "=", "stopped").where("stopped_at", "<", before).execute();
      await tx.deleteFrom("sandbox_checkpoints").where("failed_at", "<", before).execute();
      const builds = await tx
        .deleteFrom("builds")
        .where("finished_at", "<", before)
        .where("id", "not in", tx.selectFrom("checkpoints").select("build_id"))
        .returning("log_path")
        .execute();
      return { logPaths: builds.map((build) => build.log_path) };
    });
  }

  async dropBlobs(before: number): Promise<void> {
    await dropBlobs(this.db, before);
  }

  async listBlobs(): Promise<Set<string>> {
    const rows = await this.db.selectFrom("blobs").select("digest").distinct().execute();
    return new Set(rows.map((row) => row.digest));
  }

  async close(): Promise<void> {
    await this.db.destroy();
  }
}
