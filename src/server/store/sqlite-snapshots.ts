import { type Kysely, type RawBuilder, type Selectable, sql } from "kysely";
import { OpenComputerError } from "../../errors";
import type {
  BuiltVersion,
  Labels,
  SnapshotChange,
  SnapshotRef,
  SnapshotRow,
  SnapshotStore,
  SnapshotUser,
  SnapshotWish,
  VersionKey,
} from "./snapshot-store";
import { promoteVersion, publishVersion, reserveVersion } from "./sqlite-promotion";
import type { Tables } from "./tables";

/** A version beside its name, as the query below gives it. */
type Joined = Selectable<Tables["snapshot_versions"]> &
  Pick<
    Selectable<Tables["snapshots"]>,
    "id" | "name" | "labels" | "retention" | "owner" | "warm_pool" | "current_version"
  > & {
    readonly tags: string;
  };

/** One organisation's snapshots in SQLite; see {@link SnapshotStore}. Every query names the organisation. */
export class SqliteSnapshots implements SnapshotStore {
  constructor(
    private readonly db: Kysely<Tables>,
    private readonly orgId: string,
  ) {}

  async find(ref: SnapshotRef): Promise<SnapshotRow[]> {
    return await this.select(this.db, sql`s.name = ${ref.name} and ${meansVersion(ref)}`);
  }

  async list(labels: Labels): Promise<SnapshotRow[]> {
    return await this.select(
      this.db,
      sql`v.version = s.current_version and not exists (
        select 1 from json_each(${JSON.stringify(labels)}) wanted where not exists (
          select 1 from json_each(s.labels) label where label.key = wanted.key and label.value = wanted.value))`,
    );
  }

  async listVersions(name: string): Promise<SnapshotRow[]> {
    const rows = await this.select(this.db, sql`s.name = ${name}`);
    return rows.sort((a, b) => b.version - a.version);
  }

  async listUsers(name: string): Promise<SnapshotUser[]> {
    // By the id: sandboxes of a name that was deleted and given again are not its users.
    const rows = await this.db
      .selectFrom("sandboxes")
      .innerJoin("snapshots", "snapshots.id", "sandboxes.snapshot_id")
      .select(["sandboxes.id", "sandboxes.snapshot_version"])
      .where("sandboxes.org_id", "=", this.orgId)
      .where("snapshots.name", "=", name)
      .where("sandboxes.status", "<>", "stopped")
      .orderBy("sandboxes.seq", "desc")
      .execute();
    return rows.map((row) => ({ sandboxId: row.id, version: row.snapshot_version }));
  }

  async reserve(wish: SnapshotWish, now: number): Promise<SnapshotRow> {
    return await this.db.transaction().execute(async (tx) => {
      return await this.getVersion(tx, await reserveVersion(tx, this.orgId, wish, now));
    });
  }

  async publish(wish: SnapshotWish, built: BuiltVersion, now: number): Promise<SnapshotRow> {
    return await this.db.transaction().execute(async (tx) => {
      return await this.getVersion(tx, await publishVersion(tx, this.orgId, wish, built, now));
    });
  }

  async fail(key: VersionKey, { error, buildId }: Parameters<SnapshotStore["fail"]>[1]): Promise<void> {
    await this.updateVersion(key)
      .set({ status: "failed", error: JSON.stringify(error), build_id: buildId })
      // Somebody else may have built the same meanwhile.
      .where("status", "=", "building")
      .execute();
  }

  async promote(key: VersionKey, now: number): Promise<boolean> {
    return await this.db.transaction().execute(async (tx) => {
      const [row] = await this.select(tx, sql`s.id = ${key.id} and v.version = ${key.version} and v.status = 'ready'`);
      if (row !== undefined) await promoteVersion(tx, key, now);
      return row !== undefined;
    });
  }

  async tag(key: VersionKey, tag: string): Promise<boolean> {
    return await this.db.transaction().execute(async (tx) => {
      const [row] = await this.select(tx, sql`s.id = ${key.id} and v.version = ${key.version}`);
      if (row === undefined) return false;
      await tx
        .insertInto("snapshot_tags")
        .values({ snapshot_id: key.id, tag, version: key.version })
        .onConflict((clash) => clash.columns(["snapshot_id", "tag"]).doUpdateSet({ version: key.version }))
        .execute();
      return true;
    });
  }

  async untag(name: string, tag: string): Promise<boolean> {
    const { numDeletedRows } = await this.db
      .deleteFrom("snapshot_tags")
      .where("tag", "=", tag)
      .where("snapshot_id", "in", (from) =>
        from.selectFrom("snapshots").select("id").where("org_id", "=", this.orgId).where("name", "=", name),
      )
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  async change(name: string, { labels, retention, warmPool }: SnapshotChange): Promise<boolean> {
    const { numUpdatedRows } = await this.db
      .updateTable("snapshots")
      // Something is always set, because an update of nothing is no SQL.
      .set({
        name,
        labels: labels && JSON.stringify(labels),
        retention: retention && JSON.stringify(retention),
        warm_pool: warmPool,
      })
      .where("org_id", "=", this.orgId)
      .where("name", "=", name)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  async deleteName(name: string): Promise<boolean> {
    const { numDeletedRows } = await this.db
      .deleteFrom("snapshots")
      .where("org_id", "=", this.orgId)
      .where("name", "=", name)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  async deleteVersion(key: VersionKey): Promise<boolean> {
    return await this.db.transaction().execute(async (tx) => {
      const versions = await this.select(tx, sql`s.id = ${key.id}`);
      const row = versions.find(({ version }) => version === key.version);
      if (row === undefined) return false;
      if (versions.length === 1) await tx.deleteFrom("snapshots").where("id", "=", key.id).execute();
      else if (row.current) throw isCurrent(row);
      else {
        const ofName = tx.deleteFrom("snapshot_versions").where("snapshot_id", "=", key.id);
        await ofName.where("version", "=", key.version).execute();
      }
      return true;
    });
  }

  private updateVersion({ id, version }: VersionKey) {
    const rows = this.db.updateTable("snapshot_versions").where("org_id", "=", this.orgId);
    return rows.where("snapshot_id", "=", id).where("version", "=", version);
  }

  private async getVersion(db: Kysely<Tables>, { id, version }: VersionKey): Promise<SnapshotRow> {
    const [row] = await this.select(db, sql`s.id = ${id} and v.version = ${version}`);
    if (row === undefined) throw new OpenComputerError("internal", `version ${version} of snapshot ${id} is not there`);
    return row;
  }

  /** Versions that the condition names (`s` is the name, `v` the version), the last made first. */
  private async select(db: Kysely<Tables>, condition: RawBuilder<unknown>): Promise<SnapshotRow[]> {
    const found = await sql<Joined>`
      select v.*, s.id, s.name, s.labels, s.retention, s.owner, s.warm_pool, s.current_version, (
        select json_group_array(tag) from (
          select tag from snapshot_tags t where t.snapshot_id = s.id and t.version = v.version order by tag)) as tags
      from snapshots s join snapshot_versions v on v.snapshot_id = s.id
      where s.org_id = ${this.orgId} and ${condition} order by v.seq desc`.execute(db);
    return found.rows.map(toRow);
  }
}

function meansVersion(ref: SnapshotRef): RawBuilder<unknown> {
  switch (ref.kind) {
    case "current":
      return sql`v.version = s.current_version`;
    case "version":
      return sql`v.version = ${ref.version}`;
    case "hash":
      return sql`substr(v.content_hash, 1, ${ref.digits.length}) = ${ref.digits}`;
    case "tag":
      return sql`v.version = (select version from snapshot_tags where snapshot_id = s.id and tag = ${ref.tag})`;
  }
}

function toRow(row: Joined): SnapshotRow {
  return {
    ...{ id: row.id, name: row.name, labels: JSON.parse(row.labels), owner: row.owner, warmPool: row.warm_pool },
    retention: row.retention === null ? null : JSON.parse(row.retention),
    ...{ version: row.version, current: row.version === row.current_version, tags: JSON.parse(row.tags) },
    ...{ status: row.status, contentHash: row.content_hash, manifest: JSON.parse(row.manifest) },
    ...{ checkpointId: row.checkpoint_id, buildId: row.build_id },
    error: row.error === null ? null : JSON.parse(row.error),
    ...{ createdAt: row.created_at, lastUsedAt: row.last_used_at },
  };
}

function isCurrent({ name, version }: SnapshotRow): OpenComputerError {
  return new OpenComputerError(
    "conflict",
    `${name}@${version} is the current version of ${name} and cannot be deleted while there are others. ` +
      "Promote another one first, or delete the name with all its versions.",
    { details: { name, version } },
  );
}
