import type { ErrorCode } from "../errors";

/**
 * The wire's records as types; schemas.ts has the schemas that check them. They stand apart for the same reason as
 * those of the manifest: compiling a program needs none of the library that we check with.
 */

export type SnapshotStatus = "building" | "ready" | "failed";

/** A named image and how far its build is. */
export interface SnapshotInfo {
  readonly id: string;
  readonly name: string;
  readonly status: SnapshotStatus;
  /** 64 hex digits: the image's identity. */
  readonly contentHash: string;
  readonly checkpointId?: string;
  readonly manifest: unknown;
  /** ISO 8601, as all times here. */
  readonly createdAt: string;
  readonly lastUsedAt?: string;
  /** Ours: why the build failed. */
  readonly error?: string;
  /** Ours, as all that follows; the hosted service has one version of a name. Counted from 1. */
  readonly version?: number;
  /** Whether this is the version that the bare name means. */
  readonly current?: boolean;
  /** Further names of this version: `name:tag`. */
  readonly tags?: readonly string[];
  /** Labels of the name, the same for all its versions. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly retention?: Retention;
  /** Who asked for the name, in the asker's own words: the last one that said so. */
  readonly owner?: string;
  /** How many sandboxes of the current version are kept started ahead of anybody's asking. Default 0. */
  readonly warmPool?: number;
}

/** How long versions that are no longer current stay for a rollback. Those with a tag stay anyway. */
export interface Retention {
  /** How many of them, the newest. Default 1. */
  readonly keepLast?: number;
  /** Seconds after which one goes that was superseded. Default: never. */
  readonly ttlSeconds?: number;
}

/** Ours: who uses a snapshot. */
export interface SnapshotUsage {
  /** Running sandboxes that were started from any of its versions. */
  readonly sandboxes: readonly { readonly sandboxID: string; readonly version: number | null }[];
}

/** A sandbox and how it runs. */
export interface SandboxInfo {
  readonly sandboxID: string;
  /** `running`, `hibernated`, `stopped`, … */
  readonly status: string;
  readonly templateID?: string;
  /** Ours: the snapshot's name, where it was created from one. */
  readonly snapshot?: string;
  readonly fromCheckpointId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cpuCount?: number;
  readonly memoryMB?: number;
  /** What it may write, in MiB. Absent: the server's quota. */
  readonly diskMB?: number;
  readonly startedAt?: string;
  /** When the idle timeout will hibernate it, as things stand; absent where it has none. */
  readonly endAt?: string | null;
  /** Ours: idle seconds; 0 is never. */
  readonly timeout?: number;
  readonly tags?: Readonly<Record<string, string>>;
  /** Ours: what it reaches. Default: `egress`. */
  readonly network?: NetworkPolicy;
  /** Ours: who created it, in the creator's own words; see `createSandbox`. */
  readonly owner?: string;
  /** Ours: why it stopped where nobody stopped it, for people: `was over its disk quota of 20480 MB: …`. */
  readonly stopReason?: string;
}

/**
 * What a sandbox reaches: `none` (its own loopback), `egress` (everything that the host lets it reach), or only
 * certain destinations: a host (`pypi.org`), the hosts below one (`*.pypi.org`), an address or a block of them
 * (`192.0.2.0/24`).
 */
export type NetworkPolicy = "none" | "egress" | { readonly allow: readonly string[] };

/** One line of a build. */
export interface BuildLogEvent {
  /** Counted from 1; 0 is the build itself. */
  readonly step: number;
  readonly type: string;
  readonly message: string;
  /** Ours: set on lines that a command printed. */
  readonly stream?: "stdout" | "stderr";
}

/** A command and how to run it. */
export interface ExecRequest {
  readonly cmd: string;
  readonly args?: readonly string[];
  readonly envs?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Seconds; 0 is no limit. Default 60. */
  readonly timeout?: number;
}

/** What a command came to. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether output was cut. Default: false. */
  readonly truncated?: boolean;
}

/** One entry of a directory in a sandbox. */
export interface FileInfo {
  readonly name: string;
  readonly path: string;
  readonly isDir: boolean;
  /** Bytes. */
  readonly size: number;
}

/** Ours: what answers, and what it builds on. */
export interface ServerInfo {
  readonly version: string;
  readonly engine: string;
  readonly runtime: string;
  readonly runtimeVersion: string;
  readonly base: string;
  readonly baseDigest: string;
  /** What checkpoints keep here. */
  readonly checkpointKinds?: readonly CheckpointKind[];
  /** How sandboxes are kept to their disk quota: `hard` fails the write, `watched` ends who is over it within seconds. */
  readonly diskQuota?: "hard" | "watched" | "none";
}

/** Ours: what a build of an image would do. */
export interface ImagePlan {
  readonly contentHash: string;
  /** One key a step: what the file system is after it, 64 hex digits. */
  readonly keys: readonly string[];
  /** How many steps, counted from the first, are built already. */
  readonly cached: number;
}

/** Ours: a build, running or over. */
export interface BuildInfo {
  readonly id: string;
  readonly status: "running" | "succeeded" | "failed" | "cancelled";
  readonly contentHash: string;
  /** The snapshot's name that it was first asked for, where there was one. */
  readonly name?: string;
  readonly startedAt: string;
  readonly finishedAt?: string;
  /** Why it failed. */
  readonly error?: string;
}

/** Ours: what a collection removed. */
export interface Collected {
  readonly layers: number;
  readonly blobs: number;
  readonly sizeBytes: number;
  /** What was damaged and put aside; there where everything was to be verified. */
  readonly damaged?: readonly DamagedPart[];
}

/** Ours: a layer that is not what it was. Images are built again where it is needed. */
export interface DamagedPart {
  readonly key: string;
  /** What was found, in words. */
  readonly problem: string;
}

/** `disk_only` keeps files; `full` keeps memory and processes, too, and what starts from it goes on where they were. */
export type CheckpointKind = "disk_only" | "full";

/** What a sandbox was at a moment; it outlives the sandbox. */
export interface CheckpointInfo {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  /** What was kept, which is what was asked for: a server that cannot keep memory refuses `full`. */
  readonly kind: CheckpointKind;
  readonly status: "processing" | "ready" | "failed";
  /** What it takes on disk by itself. */
  readonly sizeBytes: number;
  readonly isPublic?: boolean;
  readonly createdAt: string;
  /** Why it failed. */
  readonly errorMsg?: string;
  readonly failedAt?: string;
  /** Ours: who asked for it, in the asker's own words. */
  readonly owner?: string;
}

/** What happens where a sandbox has as many checkpoints of a kind as it may have (10 `full`, 100 `disk_only`). */
export interface CheckpointRetention {
  /** `none`: an error. `delete_oldest`: the oldest that nothing uses makes way. */
  readonly mode: "none" | "delete_oldest";
  /** How many there may be; 1 to the limit. Default: the limit. */
  readonly maxCount?: number;
}

/** What became of a sandbox that was told to sleep. */
export interface HibernationInfo {
  readonly sandboxID: string;
  readonly status: string;
  readonly sizeBytes?: number;
  /** Ours: whether memory and processes were kept (`full`) or only files. */
  readonly kind?: CheckpointKind;
}

/** Ours: one of the sandboxes of a fork, or why there is none. */
export type ForkResult = { readonly sandbox: SandboxInfo } | { readonly error: string; readonly code: ErrorCode };
