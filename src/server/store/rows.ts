import type { Insertable, Selectable } from "kysely";
import type { BuildRow, CheckpointRow, ImageRow, SandboxRow } from "./store";
import type { Tables } from "./tables";

/** Rows as the program knows them, from and to rows as the tables have them. */

export function toCheckpoint(row: Selectable<Tables["checkpoints"]>): CheckpointRow {
  return {
    id: row.id,
    contentHash: row.content_hash,
    checkpoint: JSON.parse(row.checkpoint),
    baseDigest: row.base_digest,
    buildId: row.build_id,
    createdAt: row.created_at,
  };
}

export function fromCheckpoint(orgId: string, row: CheckpointRow): Insertable<Tables["checkpoints"]> {
  return {
    id: row.id,
    org_id: orgId,
    content_hash: row.contentHash,
    checkpoint: JSON.stringify(row.checkpoint),
    base_digest: row.baseDigest,
    build_id: row.buildId,
    created_at: row.createdAt,
  };
}

export function toImage(row: Selectable<Tables["images"]>): ImageRow {
  return {
    contentHash: row.content_hash,
    manifest: JSON.parse(row.manifest),
    checkpointId: row.checkpoint_id,
    createdAt: row.created_at,
  };
}

export function toBuild(row: Selectable<Tables["builds"]>): BuildRow {
  return {
    id: row.id,
    contentHash: row.content_hash,
    name: row.name,
    status: row.status,
    error: row.error === null ? null : JSON.parse(row.error),
    logPath: row.log_path,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

export function fromBuild(orgId: string, row: BuildRow): Insertable<Tables["builds"]> {
  return {
    id: row.id,
    org_id: orgId,
    content_hash: row.contentHash,
    name: row.name,
    status: row.status,
    error: row.error === null ? null : JSON.stringify(row.error),
    log_path: row.logPath,
    started_at: row.startedAt,
    finished_at: row.finishedAt,
  };
}

export function toSandbox(row: Selectable<Tables["sandboxes"]>): SandboxRow {
  return {
    id: row.id,
    status: row.status,
    checkpointId: row.checkpoint_id,
    snapshot: row.snapshot,
    snapshotId: row.snapshot_id,
    snapshotVersion: row.snapshot_version,
    envs: JSON.parse(row.envs),
    metadata: JSON.parse(row.metadata),
    memoryMB: row.memory_mb,
    cpuCount: row.cpu_count,
    timeoutSeconds: row.timeout_seconds,
    deadline: row.deadline,
    startedAt: row.started_at,
    stoppedAt: row.stopped_at,
    tags: JSON.parse(row.tags),
    tagsUpdatedAt: row.tags_updated_at,
    network: JSON.parse(row.network),
    owner: row.owner,
    restoringTo: row.restoring_to,
    diskMB: row.disk_mb,
    stopReason: row.stop_reason,
  };
}

export function fromSandbox(orgId: string, row: SandboxRow): Insertable<Tables["sandboxes"]> {
  return {
    id: row.id,
    org_id: orgId,
    status: row.status,
    checkpoint_id: row.checkpointId,
    snapshot: row.snapshot,
    snapshot_id: row.snapshotId,
    snapshot_version: row.snapshotVersion,
    envs: JSON.stringify(row.envs),
    metadata: JSON.stringify(row.metadata),
    memory_mb: row.memoryMB,
    cpu_count: row.cpuCount,
    timeout_seconds: row.timeoutSeconds,
    deadline: row.deadline,
    started_at: row.startedAt,
    stopped_at: row.stoppedAt,
    tags: JSON.stringify(row.tags),
    tags_updated_at: row.tagsUpdatedAt,
    network: JSON.stringify(row.network),
    owner: row.owner,
    restoring_to: row.restoringTo,
    disk_mb: row.diskMB,
    stop_reason: row.stopReason,
  };
}
