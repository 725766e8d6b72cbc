/** The SDK: images, snapshots and sandboxes for programs. It needs no Pulumi. */
export type { FileInfo, SandboxInfo, SnapshotInfo } from "./api/schemas";
export { type ErrorCode, isOpenComputerError, OpenComputerError, type Problem } from "./errors";
export { Image } from "./image/image";
export type { ImageManifest } from "./image/manifest";
export type { ConnectionOptions } from "./sdk/connection";
export { type Exec, ExecTimeoutError, type ProcessResult, type RunOptions } from "./sdk/exec";
export type { Files } from "./sdk/files";
export { Sandbox } from "./sdk/sandbox";
export type { SandboxOptions } from "./sdk/sandbox-options";
export { type CreateSnapshotOptions, Snapshots, type WaitUntilReadyOptions } from "./sdk/snapshots";
