import type { SnapshotInfo } from "../src/api/records";

/** A snapshot that another stack, or nobody's stack, made. */
export interface SnapshotResult {
  readonly id: string;
  readonly name: string;
  /** For a `Sandbox`: this very content, whatever the name means later. */
  readonly ref: string;
  readonly contentHash: string;
  /** `ready`, `building` or `failed`. */
  readonly status: string;
  readonly checkpointId?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Where the server has versions. */
  readonly version?: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Further names of this version. */
  readonly tags: readonly string[];
}

/** What a function says of a snapshot. Without the manifest: it may hold what the image's maker keeps secret. */
export function toSnapshotResult(info: SnapshotInfo): SnapshotResult {
  const { id, name, contentHash, status, checkpointId, createdAt, version, labels = {}, tags = [] } = info;
  const ref = toRef(name, contentHash);
  const given = { ...(checkpointId ? { checkpointId } : {}), ...(version ? { version } : {}) };
  return { id, name, ref, contentHash, status, createdAt, labels, tags, ...given };
}

/** The snapshot with this very content, whatever the name means later. */
export function toRef(name: string, hash: string): string {
  return `${name}@${hash.slice(0, 12)}`;
}
