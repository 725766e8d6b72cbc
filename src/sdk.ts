/** The SDK: images, snapshots and sandboxes for programs. It needs no Pulumi. */
export type { SnapshotChange } from "./api/contract";
export type {
  CheckpointInfo,
  CheckpointKind,
  CheckpointRetention as CheckpointRetentionPolicy,
  FileInfo as EntryInfo,
  HibernationInfo,
  NetworkPolicy,
  Retention,
  SandboxInfo,
  SnapshotInfo,
  SnapshotUsage,
} from "./api/records";
export { type ErrorCode, isOpenComputerError, OpenComputerError, type Problem } from "./errors";
export { Image } from "./image/image";
export type { ImageManifest, StartCommandOptions } from "./image/image-manifest";
export type { LocalDirOptions } from "./image/local-dir-options";
export type { FileOptions } from "./image/place";
export type { CreateCheckpointOptions } from "./sdk/checkpoints";
export type { ConnectionOptions } from "./sdk/connection";
export { type Exec, ExecTimeoutError, type ProcessResult, type RunOpts } from "./sdk/exec";
export type { Filesystem } from "./sdk/filesystem";
export type { ForkManyOpts, ForkOpts, FromCheckpointOpts } from "./sdk/fork-opts";
export type { WaitForReadyOpts } from "./sdk/poll";
export { type ForkedSandbox, Sandbox } from "./sdk/sandbox";
export type { SandboxOpts } from "./sdk/sandbox-opts";
export { type CreateSnapshotOpts, type ListSnapshotsOpts, Snapshots } from "./sdk/snapshots";
