import type { Kysely } from "kysely";
import type { ImageManifest } from "../../image/image-manifest";
import type { CheckpointStore } from "./checkpoint-store";
import { fromBuild, fromCheckpoint, fromSandbox, toBuild, toCheckpoint, toImage, toSandbox } from "./rows";
import type { SnapshotStore, VersionKey } from "./snapshot-store";
import { findBlobs, insertReferences, touchBlobs } from "./sqlite-blobs";
import { SqliteCheckpoints } from "./sqlite-checkpoints";
import { SqliteSnapshots } from "./sqlite-snapshots";
import { countStock } from "./sqlite-stock";
import type {
  BlobReferences,
  BlobRow,
  BuildOutcome,
  BuildRow,
  CheckpointRow,
  ImageRow,
  OrgStore,
  SandboxChange,
  SandboxRow,
  Stock,
} from "./store";
import type { Tables } from "./tables";

/** One organisation's rows in SQLite: every query below has `org_id` in it, which is the whole point of this class. */
export class SqliteOrgStore implements OrgStore {
  readonly snapshots: SnapshotStore;
  readonly checkpoints: CheckpointStore;

  constructor(
    private readonly db: Kysely<Tables>,
    readonly orgId: string,
  ) {
    this.snapshots = new SqliteSnapshots(db, orgId);
    this.checkpoints = new SqliteCheckpoints(db, orgId);
  }

  async count(stock: Stock): Promise<number> {
    return await countStock(this.db, this.orgId, stock);
  }

  async insertCheckpoint(row: CheckpointRow): Promise<void> {
    await this.db.insertInto("checkpoints").values(fromCheckpoint(this.orgId, row)).execute();
  }

  async getCheckpoint(id: string): Promise<CheckpointRow | undefined> {
    const row = await this.db
      .selectFrom("checkpoints")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toCheckpoint(row);
  }

  async getImage(contentHash: string): Promise<ImageRow | undefined> {
    const row = await this.db
      .selectFrom("images")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("content_hash", "=", contentHash)
      .executeTakeFirst();
    return row && toImage(row);
  }

  async saveImage(manifest: ImageManifest, checkpoint: CheckpointRow): Promise<void> {
    await this.db.transaction().execute(async (tx) => {
      await tx.insertInto("checkpoints").values(fromCheckpoint(this.orgId, checkpoint)).execute();
      await tx
        .insertInto("images")
        .values({
          org_id: this.orgId,
          content_hash: checkpoint.contentHash,
          manifest: JSON.stringify(manifest),
          checkpoint_id: checkpoint.id,
          created_at: checkpoint.createdAt,
        })
        .onConflict((clash) =>
          clash
            .columns(["org_id", "content_hash"])
            .doUpdateSet({ checkpoint_id: checkpoint.id, created_at: checkpoint.createdAt }),
        )
        .execute();
    });
  }

  async insertBuild(row: BuildRow): Promise<void> {
    await this.db.insertInto("builds").values(fromBuild(this.orgId, row)).execute();
  }

  async finishBuild(id: string, outcome: BuildOutcome): Promise<void> {
    await this.db
      .updateTable("builds")
      .set({
        status: outcome.status,
        error: outcome.error && JSON.stringify(outcome.error),
        finished_at: outcome.finishedAt,
      })
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .execute();
  }

  async getBuild(id: string): Promise<BuildRow | undefined> {
    const row = await this.db
      .selectFrom("builds")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toBuild(row);
  }

  async listBuilds(): Promise<BuildRow[]> {
    const rows = await this.db
      .selectFrom("builds")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .orderBy("seq", "desc")
      .execute();
    return rows.map(toBuild);
  }

  async latestBuildNamed(name: string): Promise<BuildRow | undefined> {
    const row = await this.db
      .selectFrom("builds")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("name", "=", name)
      .orderBy("seq", "desc")
      .limit(1)
      .executeTakeFirst();
    return row && toBuild(row);
  }

  async insertSandbox(row: SandboxRow, version?: VersionKey): Promise<void> {
    await this.db.transaction().execute(async (tx) => {
      await tx.insertInto("sandboxes").values(fromSandbox(this.orgId, row)).execute();
      if (version === undefined) return;
      await tx
        .updateTable("snapshot_versions")
        .set({ checkpoint_id: row.checkpointId, last_used_at: row.startedAt })
        .where("org_id", "=", this.orgId)
        .where("snapshot_id", "=", version.id)
        .where("version", "=", version.version)
        .execute();
    });
  }

  async getSandbox(id: string): Promise<SandboxRow | undefined> {
    const row = await this.db
      .selectFrom("sandboxes")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toSandbox(row);
  }

  async findSandboxOf(owner: string): Promise<SandboxRow | undefined> {
    const row = await this.db
      .selectFrom("sandboxes")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("owner", "=", owner)
      .where("status", "in", ["running", "hibernated"])
      .executeTakeFirst();
    return row && toSandbox(row);
  }

  async listSandboxes(): Promise<SandboxRow[]> {
    const rows = await this.db
      .selectFrom("sandboxes")
      .selectAll()
      .where("org_id", "=", this.orgId)
      .where("status", "<>", "stopped")
      .orderBy("seq", "desc")
      .execute();
    return rows.map(toSandbox);
  }

  async updateSandbox(id: string, change: SandboxChange): Promise<void> {
    await this.db
      .updateTable("sandboxes")
      .set({
        status: change.status,
        checkpoint_id: change.checkpointId,
        restoring_to: change.restoringTo,
        timeout_seconds: change.timeoutSeconds,
        deadline: change.deadline,
        stopped_at: change.stoppedAt,
        stop_reason: change.stopReason,
        tags: change.tags && JSON.stringify(change.tags),
        tags_updated_at: change.tagsUpdatedAt,
      })
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .execute();
  }

  async deleteSandbox(id: string): Promise<void> {
    await this.db.deleteFrom("sandboxes").where("org_id", "=", this.orgId).where("id", "=", id).execute();
  }

  async touchBlobs(blobs: readonly BlobRow[], now: number): Promise<void> {
    await touchBlobs(this.db, this.orgId, blobs, now);
  }

  async findBlobs(digests: readonly string[]): Promise<BlobRow[]> {
    return await findBlobs(this.db, this.orgId, digests);
  }

  async referToBlobs(image: BlobReferences, now: number): Promise<void> {
    await this.db.transaction().execute((tx) => insertReferences(tx, this.orgId, image, now));
  }
}
