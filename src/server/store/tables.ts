import type { Generated } from "kysely";
import type { SandboxCheckpointRow } from "./checkpoint-store";
import type { SnapshotStatus } from "./snapshot-store";
import type { BuildStatus, SandboxStatus } from "./store";

/** The tables as SQLite has them: JSON is text, a moment is integer milliseconds, every row names its organisation. */
export interface Tables {
  organisations: { id: string; name: string };
  api_keys: { id: string; org_id: string; hash: string; prefix: string; created_at: number };
  checkpoints: {
    id: string;
    org_id: string;
    content_hash: string;
    checkpoint: string;
    base_digest: string;
    build_id: string;
    created_at: number;
  };
  images: { org_id: string; content_hash: string; manifest: string; checkpoint_id: string; created_at: number };
  snapshots: {
    id: string;
    org_id: string;
    name: string;
    current_version: number;
    next_version: number;
    labels: string;
    retention: string | null;
    owner: string | null;
    warm_pool: Generated<number>;
    created_at: number;
  };
  snapshot_versions: {
    /** Order of creation where two rows share a millisecond. */
    seq: Generated<number>;
    snapshot_id: string;
    org_id: string;
    version: number;
    status: SnapshotStatus;
    content_hash: string;
    manifest: string;
    checkpoint_id: string | null;
    build_id: string | null;
    error: string | null;
    created_at: number;
    superseded_at: number | null;
    superseded_seq: number | null;
    last_used_at: number | null;
  };
  snapshot_tags: { snapshot_id: string; tag: string; version: number };
  builds: {
    seq: Generated<number>;
    id: string;
    org_id: string;
    content_hash: string;
    name: string | null;
    status: BuildStatus;
    error: string | null;
    log_path: string;
    started_at: number;
    finished_at: number | null;
  };
  sandboxes: {
    seq: Generated<number>;
    id: string;
    org_id: string;
    status: SandboxStatus;
    checkpoint_id: string;
    snapshot: string | null;
    snapshot_version: number | null;
    envs: string;
    metadata: string;
    memory_mb: number;
    cpu_count: number;
    timeout_seconds: number;
    deadline: number | null;
    started_at: number;
    stopped_at: number | null;
    tags: string;
    tags_updated_at: number | null;
    network: string;
    owner: string | null;
    restoring_to: string | null;
    disk_mb: number | null;
    stop_reason: string | null;
    snapshot_id: string | null;
  };
  sandbox_checkpoints: {
    seq: Generated<number>;
    id: string;
    org_id: string;
    sandbox_id: string;
    name: string;
    kind: SandboxCheckpointRow["kind"];
    status: SandboxCheckpointRow["status"];
    size_bytes: number;
    error: string | null;
    source: string;
    owner: string | null;
    created_at: number;
    failed_at: number | null;
  };
  /** Images whose manifests were taken; what they need stands in `blob_references` and goes with them. */
  accepted_images: { id: Generated<number>; org_id: string; content_hash: string; accepted_at: number };
  blob_references: { image_id: number; digest: string };
  blobs: { org_id: string; digest: string; size_bytes: number; touched_at: number };
}
