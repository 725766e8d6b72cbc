import type { Readable } from "node:stream";
import type { ImageManifest } from "../image/image-manifest";
import type { BlobSource } from "../image/local-files";
import type {
  BuildInfo,
  BuildLogEvent,
  CheckpointInfo,
  CheckpointKind,
  CheckpointRetention,
  Collected,
  ExecRequest,
  ExecResult,
  FileInfo,
  ForkResult,
  HibernationInfo,
  ImagePlan,
  NetworkPolicy,
  Retention,
  SandboxInfo,
  ServerInfo,
  SnapshotInfo,
  SnapshotUsage,
} from "./records";

/**
 * What a server can do for us, as functions: the client implements it over HTTP, and handlers, SDK and CLI know nothing
 * but it. Errors are OpenComputerErrors. Lists are complete, never null.
 */
export interface Api {
  /**
   * Builds the image where it is not built yet and gives it a name, or, with `ifExists: "version"`, makes it the current
   * version of a name that is there: built first, then moved at once. A content that the name has already is no new
   * version: that version is current again, under its old number.
   *
   * @throws conflict where the name is taken, build_failed, build_cancelled, timeout, blob_missing, file_changed
   */
  createSnapshot(request: CreateSnapshotRequest, options?: BuildOptions): Promise<SnapshotInfo>;
  /** The current versions of all names of the organisation, newest first; with `labels`, of those that have them all. */
  listSnapshots(options?: ListSnapshotsOptions): Promise<SnapshotInfo[]>;
  /**
   * `ref` is a name, or on our server one version of it: `name@3`, `name@<8 or more digits of the contentHash>`, `name:tag`.
   *
   * @throws not_found
   */
  getSnapshot(ref: string, options?: CallOptions): Promise<SnapshotInfo>;
  /**
   * Deletes a name with all its versions, or the one version that is named (`name@3`), unless it is the current one. One
   * that is gone is fine. Running sandboxes are not affected.
   *
   * @throws conflict for the current version of a name that has others
   */
  deleteSnapshot(ref: string, options?: CallOptions): Promise<void>;

  /**
   * Starts a sandbox from an image (built where needed), a snapshot, or neither (the base). A call that is given up leaves
   * none. With `owner`, a running sandbox of the same owner is answered with instead: so a create whose answer was lost
   * can be repeated.
   *
   * @throws unsupported where the server does not keep to `network`; nothing is left then
   */
  createSandbox(request: CreateSandboxRequest, options?: BuildOptions): Promise<SandboxInfo>;
  /** The running sandboxes, newest first; with `tags` (ours), those that have them all. */
  listSandboxes(options?: ListSandboxesOptions): Promise<SandboxInfo[]>;
  /** @throws not_found */
  getSandbox(id: string, options?: CallOptions): Promise<SandboxInfo>;
  /** Sets the idle timeout anew, in seconds from now; 0 is never. */
  setSandboxTimeout(id: string, timeoutSeconds: number, options?: CallOptions): Promise<void>;
  /** Puts these tags in the place of all that it has. */
  setSandboxTags(id: string, tags: Readonly<Record<string, string>>, options?: CallOptions): Promise<void>;
  /** @throws not_found */
  killSandbox(id: string, options?: CallOptions): Promise<void>;

  /** Stops a sandbox so that it can be woken; the next command or file call wakes it, too. @throws not_found, gone */
  hibernateSandbox(id: string, options?: CallOptions): Promise<HibernationInfo>;
  /** Brings a hibernated sandbox back; `timeoutSeconds` is its new idle timeout, absent keeps the old. @throws not_found */
  wakeSandbox(id: string, timeoutSeconds?: number, options?: CallOptions): Promise<SandboxInfo>;
  /**
   * Keeps what a sandbox is now. Answered as soon as it was begun (`processing`): ask {@link listCheckpoints} for its end.
   *
   * @throws conflict where the sandbox has one of that name; invalid_input at the limit; unsupported for a kind that the
   *   server cannot keep
   */
  createCheckpoint(id: string, request: CreateCheckpointRequest, options?: CallOptions): Promise<CheckpointInfo>;
  /** Newest first, also of a sandbox that is gone. */
  listCheckpoints(id: string, options?: CallOptions): Promise<CheckpointInfo[]>;
  /** Puts a sandbox back to one of its checkpoints; resolves when it runs again. @throws not_found, invalid_input */
  restoreCheckpoint(id: string, checkpointId: string, options?: CallOptions): Promise<SandboxInfo>;
  /** One that is gone is fine. Sandboxes that were started from it are not affected. */
  deleteCheckpoint(id: string, checkpointId: string, options?: CallOptions): Promise<void>;
  /** @throws not_found, invalid_input where the checkpoint failed */
  createSandboxFromCheckpoint(checkpointId: string, request: ForkRequest, options?: CallOptions): Promise<SandboxInfo>;

  /** Runs a command to its end. A non-zero exit code is a result, not an error. */
  exec(id: string, request: ExecRequest, options?: ExecOptions): Promise<ExecResult>;
  readFile(id: string, path: string, options?: CallOptions): Promise<Readable>;
  writeFile(id: string, path: string, content: string | Uint8Array | Readable, options?: CallOptions): Promise<void>;
  listFiles(id: string, path: string, options?: CallOptions): Promise<FileInfo[]>;
  makeDir(id: string, path: string, options?: CallOptions): Promise<void>;
  removeFile(id: string, path: string, options?: CallOptions): Promise<void>;
}

/** What our own server offers beyond the wire that the hosted one speaks (it answers these with not_found). */
export interface ServerApi extends Api {
  /** What answers, and what it builds on. */
  info(options?: CallOptions): Promise<ServerInfo>;
  /** What a build of this image would do; nothing is built and no bytes are sent. */
  plan(manifest: ImageManifest, options?: CallOptions): Promise<ImagePlan>;
  /** All versions of a name, newest first. @throws not_found */
  listSnapshotVersions(name: string, options?: CallOptions): Promise<SnapshotInfo[]>;
  /** Makes another version the current one, at once: a rollback or a promotion. @throws not_found, conflict (not ready) */
  promoteSnapshot(ref: string, options?: CallOptions): Promise<SnapshotInfo>;
  /** Gives a version a further name, or moves that name to it. @throws not_found */
  tagSnapshot(ref: string, tag: string, options?: CallOptions): Promise<SnapshotInfo>;
  /** One that is gone is fine. */
  untagSnapshot(name: string, tag: string, options?: CallOptions): Promise<void>;
  /** Changes labels or retention of a name; what is absent stays. @throws not_found */
  updateSnapshot(name: string, change: SnapshotChange, options?: CallOptions): Promise<SnapshotInfo>;
  /** @throws not_found */
  snapshotUsage(name: string, options?: CallOptions): Promise<SnapshotUsage>;
  /** Running builds and those whose logs are kept, newest first. */
  listBuilds(options?: CallOptions): Promise<BuildInfo[]>;
  /**
   * As {@link followSnapshotLog}, of any build by its id. Looking on holds nothing: a build that nobody else waits for is
   * cancelled all the same.
   *
   * @throws not_found; the build's own error where it failed
   */
  followBuildLog(id: string, options?: FollowBuildOptions): Promise<BuildInfo>;
  /**
   * Starts several sandboxes from what one is now. Each has a result of its own: some may fail where others do not.
   *
   * @throws not_found, gone, unsupported
   */
  forkSandbox(id: string, request: ForkManyRequest, options?: CallOptions): Promise<ForkResult[]>;
  /** A checkpoint by its id alone. @throws not_found */
  getCheckpoint(checkpointId: string, options?: CallOptions): Promise<CheckpointInfo>;
  /** Those of all sandboxes of the organisation, newest first, also of sandboxes that are gone. */
  listAllCheckpoints(options?: CallOptions): Promise<CheckpointInfo[]>;
  /** Removes layers and files that nothing needs; `verify` reads all the others first, and puts aside what is damaged. */
  collect(options?: CallOptions & { readonly verify?: boolean }): Promise<Collected>;
  /**
   * The log of a snapshot's build, past lines first, then live; resolves when the build is over.
   *
   * @throws not_found; the build's own error where it failed
   */
  followSnapshotLog(name: string, options?: FollowOptions): Promise<SnapshotInfo>;
}

export interface ListSnapshotsOptions extends CallOptions {
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ListSandboxesOptions extends CallOptions {
  readonly tags?: Readonly<Record<string, string>>;
}

export interface SnapshotChange {
  readonly labels?: Readonly<Record<string, string>>;
  readonly retention?: Retention;
  /** How many sandboxes of the current version to keep started ahead, 0 to 100. */
  readonly warmPool?: number;
}

export interface CreateCheckpointRequest {
  /** Unique among those of its sandbox. */
  readonly name: string;
  /** Default `disk_only`. */
  readonly kind?: CheckpointKind;
  readonly retentionPolicy?: CheckpointRetention;
  /** Ours: kept with it, so that an asker whose answer was lost recognises its own. At most 256 characters. */
  readonly owner?: string;
}

/** A sandbox from a checkpoint: what is given goes on top of what the checkpointed sandbox had. */
export interface ForkRequest {
  /** Of every command from now on; processes that were running keep what they had. */
  readonly envs?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Idle seconds; 0 or absent is never. */
  readonly timeout?: number;
  readonly memoryMB?: number;
  /** Ours, as all that follows. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly owner?: string;
}

export interface ForkManyRequest extends Omit<ForkRequest, "owner"> {
  /** 1 to 100. */
  readonly count: number;
  /** Default: `full` where the server can, else `disk_only`. */
  readonly kind?: CheckpointKind;
}

export interface FollowOptions extends BuildOptions {
  /** How many lines to pass over. Default 0. */
  readonly from?: number;
}

export interface FollowBuildOptions extends FollowOptions {
  /** False: resolves after the lines that are there, also where the build still runs. Default true. */
  readonly follow?: boolean;
}

export interface CallOptions {
  /** Ends the call with the code `aborted`. */
  readonly signal?: AbortSignal;
}

export interface ExecOptions extends CallOptions {
  /** Whether the command ends with the call where that is given up. Default false: it goes on until its own timeout. */
  readonly attached?: boolean;
}

export interface BuildOptions extends CallOptions {
  /** Called for each line of the build, live. */
  readonly onBuildLog?: (event: BuildLogEvent) => void;
}

/** An image on its way to a server: what it is, and where the bytes of its files are. */
export interface ImageUpload {
  readonly manifest: ImageManifest;
  /** Where to read the bytes of a digest that the server lacks; undefined where nobody knows. */
  readonly findBlob: (digest: string) => BlobSource | undefined;
}

export interface CreateSnapshotRequest {
  readonly name: string;
  readonly image: ImageUpload;
  /** Limit of each build step. Default: the server's, 30 minutes. */
  readonly stepTimeoutSeconds?: number;
  /**
   * Limit of the whole build, from the request on, waiting for its turn included; then the error is `timeout`. Who shares
   * the build goes on. Default: none beyond its steps'.
   */
  readonly buildTimeoutSeconds?: number;
  /** Ours: what to do where the name is taken. Default `fail`. */
  readonly ifExists?: "fail" | "version";
  readonly labels?: Readonly<Record<string, string>>;
  readonly retention?: Retention;
  /** Ours: see {@link SnapshotChange}. */
  readonly warmPool?: number;
  /**
   * Ours: kept with the name, so that an asker whose answer was lost recognises its own. With `ifExists: "version"` the
   * name becomes this owner's. At most 256 characters.
   */
  readonly owner?: string;
}

export interface CreateSandboxRequest {
  readonly image?: ImageUpload;
  readonly snapshot?: string;
  readonly envs?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Idle seconds after which the sandbox is hibernated; 0 or absent is never. */
  readonly timeout?: number;
  readonly memoryMB?: number;
  readonly cpuCount?: number;
  /** What it may write, in MiB: 64 to 262144. Default: the server's quota. */
  readonly diskMB?: number;
  readonly stepTimeoutSeconds?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly network?: NetworkPolicy;
  /** Ours: at most 256 characters. */
  readonly owner?: string;
}
