/** The door `pulumi-opencomputer`: the image and its Pulumi resources. The SDK is `pulumi-opencomputer/sdk`. */
export { Checkpoint, type CheckpointArgs } from "../provider/checkpoint-resource";
export {
  type GetSnapshotArgs,
  getSnapshot,
  getSnapshotOutput,
  type ListSnapshotsArgs,
  listSnapshots,
  listSnapshotsOutput,
  type SnapshotResult,
} from "../provider/functions";
export {
  type ReadyCheck,
  Sandbox,
  type SandboxArgs,
  Snapshot,
  type SnapshotArgs,
  type SnapshotRecord,
} from "../provider/resources";
export type { CheckpointKind, CheckpointRetention, NetworkPolicy, Retention } from "./api/records";
export { isOpenComputerError, OpenComputerError } from "./errors";
export { Image } from "./image/image";
export type { ImageManifest, StartCommandOptions } from "./image/image-manifest";
export type { LocalDirOptions } from "./image/local-dir-options";
export type { FileOptions } from "./image/place";
