import type { Checkpoint, NetworkPolicy } from "../../engines/engine";
import type { ErrorJson } from "../../errors";
import type { ImageManifest } from "../../image/image-manifest";
import type { CheckpointStore } from "./checkpoint-store";
import type { SnapshotStore, VersionKey } from "./snapshot-store";

/**
 * What the server remembers. Two halves: {@link Store} is for the server itself (keys, reconciliation, collection), and
 * {@link OrgStore} for everything that a request does; it cannot see another organisation's rows, because every one of
 * its queries names its own. Times are milliseconds since the epoch.
 */
export interface Store {
  /** The scope of one organisation. */
  forOrg(orgId: string): OrgStore;

  /** Makes the organisation where it is missing. */
  ensureOrganisation(org: { readonly id: string; readonly name: string }): Promise<void>;
  addApiKey(key: ApiKeyRow): Promise<void>;
  /** Revokes all keys of an organisation. */
  dropApiKeys(orgId: string): Promise<void>;
  /** The organisation that a key's SHA-256 belongs to. */
  findApiKey(hash: string): Promise<ApiKeyRow | undefined>;

  /** Sandboxes of all organisations in these states. */
  listSandboxes(statuses: readonly SandboxStatus[]): Promise<OwnedRow<SandboxRow>[]>;
  /** The names that want warm sandboxes. */
  listWarmPools(): Promise<OwnedRow<{ readonly name: string }>[]>;
  /** All checkpoints of all organisations: what a collection must keep. */
  listCheckpoints(): Promise<OwnedRow<CheckpointRow>[]>;

  /** Ends what a crash left half done: running builds become cancelled, building snapshots and checkpoints failed. */
  settleInterrupted(reason: ErrorJson, now: number): Promise<InterruptedCounts>;
  /** Removes versions of snapshots that their retention no longer keeps at this moment. */
  dropSuperseded(now: number): Promise<void>;
  /**
   * Removes cached images that no snapshot and no live sandbox shares a checkpoint with, then checkpoints that none of
   * these and nobody's own checkpoint names.
   */
  dropUnneeded(): Promise<{ images: number; checkpoints: number }>;
  /** Removes old history (stopped sandboxes, failed checkpoints, finished builds that no checkpoint names); returns the builds' log paths. */
  dropHistory(before: number): Promise<{ logPaths: string[] }>;
  /**
   * Removes references of images that no image, snapshot or running build names and that were accepted before `before`,
   * then blob rows untouched since `before` that nothing of their organisation refers to.
   */
  dropBlobs(before: number): Promise<void>;
  /** The digests that some organisation has. */
  listBlobs(): Promise<Set<string>>;

  close(): Promise<void>;
}

/** The rows of one organisation. Lookups answer undefined for what is not there and for what is not ours alike. */
export interface OrgStore {
  readonly orgId: string;
  readonly snapshots: SnapshotStore;
  readonly checkpoints: CheckpointStore;

  /** How much the organisation has. */
  count(stock: Stock): Promise<number>;

  insertCheckpoint(row: CheckpointRow): Promise<void>;
  getCheckpoint(id: string): Promise<CheckpointRow | undefined>;

  /** The cached image of a content hash. */
  getImage(contentHash: string): Promise<ImageRow | undefined>;
  /** Adds the checkpoint and points the content hash at it, in one transaction. */
  saveImage(manifest: ImageManifest, checkpoint: CheckpointRow): Promise<void>;

  insertBuild(row: BuildRow): Promise<void>;
  finishBuild(id: string, outcome: BuildOutcome): Promise<void>;
  getBuild(id: string): Promise<BuildRow | undefined>;
  /** Newest first. */
  listBuilds(): Promise<BuildRow[]>;
  /** The newest build that was asked for under a snapshot's name. */
  latestBuildNamed(name: string): Promise<BuildRow | undefined>;

  /** Adds a sandbox and notes on the version of a snapshot, where it came from one, that it did; one transaction. */
  insertSandbox(row: SandboxRow, version?: VersionKey): Promise<void>;
  getSandbox(id: string): Promise<SandboxRow | undefined>;
  /** The one of this owner that is not stopped. */
  findSandboxOf(owner: string): Promise<SandboxRow | undefined>;
  /** Those that are not stopped, newest first. */
  listSandboxes(): Promise<SandboxRow[]>;
  updateSandbox(id: string, change: SandboxChange): Promise<void>;
  deleteSandbox(id: string): Promise<void>;

  /** Notes that this organisation has the bytes, or has just asked about them: keeps them from collection for a while. */
  touchBlobs(blobs: readonly BlobRow[], now: number): Promise<void>;
  /** Those of the digests that the organisation has. */
  findBlobs(digests: readonly string[]): Promise<BlobRow[]>;
  /** Notes which bytes an accepted image needs, in one transaction and before any row names it. */
  referToBlobs(image: BlobReferences, now: number): Promise<void>;
}

/** What quotas count: live sandboxes, those that warm pools want, versions, checkpoints of sandboxes, bytes of files. */
export type Stock = "sandboxes" | "warm" | "snapshots" | "checkpoints" | "blobBytes";

export type OwnedRow<T> = T & { readonly orgId: string };

export interface ApiKeyRow {
  readonly id: string;
  readonly orgId: string;
  /** SHA-256 of the key, hex. The key itself is nowhere. */
  readonly hash: string;
  /** The first characters, for people. */
  readonly prefix: string;
  readonly createdAt: number;
}

export interface CheckpointRow {
  readonly id: string;
  readonly contentHash: string;
  readonly checkpoint: Checkpoint;
  /** Digest of the base it stands on. */
  readonly baseDigest: string;
  /** The build that made it. */
  readonly buildId: string;
  readonly createdAt: number;
}

export interface ImageRow {
  readonly contentHash: string;
  readonly manifest: ImageManifest;
  readonly checkpointId: string;
  readonly createdAt: number;
}

export type BuildStatus = "running" | "succeeded" | "failed" | "cancelled";

export interface BuildRow {
  readonly id: string;
  readonly contentHash: string;
  /** The snapshot's name that it was first asked for, where there was one. */
  readonly name: string | null;
  readonly status: BuildStatus;
  readonly error: ErrorJson | null;
  readonly logPath: string;
  readonly startedAt: number;
  readonly finishedAt: number | null;
}

export interface BuildOutcome {
  readonly status: Exclude<BuildStatus, "running">;
  readonly error: ErrorJson | null;
  readonly finishedAt: number;
}

/** A sandbox has a row from when it runs: one that is being created and is left by a crash is nobody's. */
export type SandboxStatus = "running" | "hibernated" | "stopped";

export interface SandboxRow {
  readonly id: string;
  readonly status: SandboxStatus;
  /** What it stands on. */
  readonly checkpointId: string;
  /** The snapshot it was created from: its name, whose name that was then, and the version. */
  readonly snapshot: string | null;
  readonly snapshotId: string | null;
  readonly snapshotVersion: number | null;
  readonly envs: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly memoryMB: number;
  readonly cpuCount: number;
  /** Idle seconds; 0 is never. */
  readonly timeoutSeconds: number;
  /** When it will be hibernated if nothing happens; null is never. */
  readonly deadline: number | null;
  readonly startedAt: number;
  readonly stoppedAt: number | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Null where it never had any. */
  readonly tagsUpdatedAt: number | null;
  readonly network: NetworkPolicy;
  /** Who it is for, in their own words; at most one that is not stopped is theirs. */
  readonly owner: string | null;
  /** The checkpoint that it is being put back to: what was promised is done after a crash, too. */
  readonly restoringTo: string | null;
  /** What it may write, in MiB; null is the engine's quota. */
  readonly diskMB: number | null;
  /** Why it stopped where nobody stopped it, to be read after a subject. */
  readonly stopReason: string | null;
}

export type SandboxChange = Partial<
  Pick<
    SandboxRow,
    | ("status" | "checkpointId" | "restoringTo" | "timeoutSeconds" | "deadline" | "tags" | "tagsUpdatedAt")
    | ("stoppedAt" | "stopReason")
  >
>;

export interface BlobRow {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** An accepted image and all digests that a build of it reads, those below its trees included. */
export interface BlobReferences {
  readonly contentHash: string;
  readonly digests: readonly string[];
}

export interface InterruptedCounts {
  readonly builds: number;
  readonly snapshots: number;
  readonly checkpoints: number;
}
