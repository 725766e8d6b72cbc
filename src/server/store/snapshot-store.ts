import { type ErrorJson, OpenComputerError } from "../../errors";
import type { ImageManifest } from "../../image/image-manifest";

/**
 * The snapshots of one organisation: names, each with numbered versions of which one is current, and tags, which are
 * further names of versions.
 *
 *   reserve → version `building` → publish → `ready` and current; the one before is superseded
 *                                → fail    → `failed`; what is current stays
 *   publish without reserve: the version is there ready or not at all
 *
 * Every method is one transaction. A content hash is at most once among the versions of a name: to publish what is there
 * already makes that version current again under its old number. Numbers are never given twice while the name lives.
 */
export interface SnapshotStore {
  /** The versions that a reference means: none, one, or, where it has too few digits of the hash, more. */
  find(ref: SnapshotRef): Promise<SnapshotRow[]>;
  /** The current version of each name that has all these labels, newest first. */
  list(labels: Labels): Promise<SnapshotRow[]>;
  /** All versions of a name, newest first. */
  listVersions(name: string): Promise<SnapshotRow[]>;
  /** Sandboxes that are not stopped and were started from a version of this name, newest first. */
  listUsers(name: string): Promise<SnapshotUser[]>;

  /** Writes down that a version is being made, and returns it. @throws conflict where {@link SnapshotWish.isNew} and the name is taken */
  reserve(wish: SnapshotWish, now: number): Promise<SnapshotRow>;
  /**
   * Makes a version that is built the current one, and applies the retention.
   *
   * @throws conflict where the name is taken by then; build_cancelled where what was reserved has been deleted
   */
  publish(wish: SnapshotWish, built: BuiltVersion, now: number): Promise<SnapshotRow>;
  /** Notes why a version that was being made is none. */
  fail(version: VersionKey, failure: { readonly error: ErrorJson; readonly buildId: string | null }): Promise<void>;
  /** Makes a version that is ready the current one, and applies the retention. False where it is gone or not ready. */
  promote(version: VersionKey, now: number): Promise<boolean>;
  /** Gives a version a tag, or moves the tag to it. False where the version is gone. */
  tag(version: VersionKey, tag: string): Promise<boolean>;
  /** False where there was none. */
  untag(name: string, tag: string): Promise<boolean>;
  /** Changes what a name says; what is absent stays. False where it is gone. */
  change(name: string, change: SnapshotChange): Promise<boolean>;
  /** Deletes a name with its versions and tags. False where there was none. */
  deleteName(name: string): Promise<boolean>;
  /** Deletes a version and its tags; the last one takes the name with it. False where there was none. @throws conflict where it is current among others */
  deleteVersion(version: VersionKey): Promise<boolean>;
}

export type Labels = Readonly<Record<string, string>>;

export type SnapshotStatus = "building" | "ready" | "failed";

/** How long superseded versions stay. Default: the newest one, for ever. */
export interface RetentionRule {
  readonly keepLast?: number;
  readonly ttlSeconds?: number;
}

/** One version of a name, and what the name says. Times are milliseconds since the epoch. */
export interface SnapshotRow {
  /** The name's, the same for all its versions. */
  readonly id: string;
  readonly name: string;
  readonly labels: Labels;
  readonly retention: RetentionRule | null;
  readonly owner: string | null;
  /** How many sandboxes of the current version to keep started. */
  readonly warmPool: number;
  readonly version: number;
  readonly current: boolean;
  /** In alphabetical order. */
  readonly tags: readonly string[];
  readonly status: SnapshotStatus;
  readonly contentHash: string;
  readonly manifest: ImageManifest;
  readonly checkpointId: string | null;
  readonly buildId: string | null;
  /** Why the build failed. */
  readonly error: ErrorJson | null;
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
}

/** Which version: the name's id and the number. */
export interface VersionKey {
  readonly id: string;
  readonly version: number;
}

/** A name and which of its versions. */
export type SnapshotRef = { readonly name: string } & (
  | { readonly kind: "current" }
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "hash"; readonly digits: string }
  | { readonly kind: "tag"; readonly tag: string }
);

/** A version that somebody wants. */
export interface SnapshotWish {
  readonly name: string;
  /** Whether the name must be free, or have a version that failed and no other. */
  readonly isNew: boolean;
  readonly contentHash: string;
  readonly manifest: ImageManifest;
  /** Absent: as they are; of a new name, none. */
  readonly labels?: Labels;
  readonly retention?: RetentionRule;
  readonly owner?: string;
  readonly warmPool?: number;
}

/** What a build gave. */
export interface BuiltVersion {
  readonly checkpointId: string;
  readonly buildId: string;
  /** What was reserved, where it was. */
  readonly reserved?: VersionKey;
}

export interface SnapshotChange {
  readonly labels?: Labels;
  readonly retention?: RetentionRule;
  readonly warmPool?: number;
}

export interface SnapshotUser {
  readonly sandboxId: string;
  readonly version: number | null;
}

/** The error for a name that must be free and is not. */
export function nameTaken(name: string): OpenComputerError {
  return new OpenComputerError(
    "conflict",
    `snapshot name already exists: ${name}. Choose another name, delete that snapshot first, or make this its next version with ifExists: "version".`,
    { details: { name } },
  );
}
