import type { Readable } from "node:stream";
import type { ImageManifest } from "../image/image-manifest";

/**
 * What builds images and runs sandboxes. One engine serves one server; the interface is told in the order of its life:
 * start, build, create, use, destroy, collect, stop. Every method takes an AbortSignal, cleans up after itself when it
 * fails, and may be called again after a crash. What an engine cannot do it answers with the code `unsupported`.
 *
 * `test/engines/engine-suite.ts` is the law: every engine passes it.
 */
export interface Engine {
  /** `local`, later `docker` and `kubernetes`. */
  readonly name: string;

  /**
   * Makes the engine ready: checks its requirements, resolves the base (the first time this takes minutes), and removes
   * what a crashed predecessor left: half-built layers, mounts, namespaces and sandboxes that are not in `knownSandboxes`.
   *
   * @throws requirement_missing with what to install
   */
  start(options: StartOptions): Promise<void>;

  /** Facts for people and `doctor`. Only after {@link start}. */
  describe(): EngineInfo;

  /** Step keys of a manifest on this engine, and how many of them, counted from the first, are already built. */
  plan(manifest: ImageManifest): Promise<BuildPlan>;

  /**
   * Builds what is not built yet, step by step, and returns the checkpoint. Layers of the steps that passed stay when a
   * later one fails or the signal fires; nothing half-built becomes visible.
   *
   * @throws build_failed with `details` {step, stepType, summary, exitCode, lastLines}; build_cancelled; blob_missing;
   *   insufficient_storage
   */
  build(request: BuildRequest): Promise<Checkpoint>;

  /** True where every layer of the checkpoint is there. */
  hasCheckpoint(checkpoint: Checkpoint): Promise<boolean>;

  /**
   * Whether a sandbox can be started from a checkpoint now, as far as that can be known before.
   *
   * @throws not_found where layers or memory are not here, damaged, unsupported where another runtime kept its memory,
   *   insufficient_storage
   */
  assertStartable(checkpoint: Checkpoint): Promise<void>;

  /**
   * Starts a sandbox; it answers {@link exec} when this resolves. A failed create leaves nothing.
   *
   * @param onBooted called when its first process runs; what is still waited for then is its service, for as long as that takes
   */
  createSandbox(spec: SandboxSpec, signal: AbortSignal, onBooted?: () => void): Promise<void>;

  /** What the sandbox is now; `stopped` also where the engine never heard of it. */
  sandboxStatus(id: string): Promise<EngineSandboxStatus>;

  /**
   * Why a sandbox is stopped that nobody stopped, to be read after a subject: `was over its disk quota of …`. Null where the
   * engine does not know, and once it was destroyed.
   */
  stopReason(id: string): Promise<string | null>;

  /**
   * Keeps what a sandbox is now, to start others from. Of a running one, `disk_only` freezes its processes while its
   * changes are copied, and `full` also keeps memory and processes; both let it run on. Of a hibernated one what it holds
   * becomes a layer without a copy. The checkpoint outlives the sandbox; a failed one leaves nothing.
   *
   * @throws unsupported for `full` where {@link EngineInfo.checkpointKinds} has it not, gone where it is stopped
   */
  checkpoint(id: string, kind: CheckpointKind, signal: AbortSignal): Promise<TakenCheckpoint>;

  /**
   * Puts a sandbox back to a checkpoint, in place: same id, all processes end, all that it wrote since is lost. Also brings
   * back a hibernated one. Where {@link assertStartable} says no, the sandbox stays as it was; where this fails after that,
   * the sandbox is stopped. `onBooted` as in {@link createSandbox}.
   */
  restore(spec: SandboxSpec, signal: AbortSignal, onBooted?: () => void): Promise<void>;

  /**
   * Stops a running sandbox so that {@link wake} brings it back: what it wrote stays, memory and processes only where the
   * engine keeps them (`full`). Whether they were kept is told. One that is hibernated already is fine.
   *
   * @throws gone where it is stopped
   */
  hibernate(id: string, signal: AbortSignal): Promise<Hibernated>;

  /**
   * Brings a hibernated sandbox back; one that runs is fine. `onBooted` as in {@link createSandbox}.
   *
   * @throws gone where it is stopped
   */
  wake(spec: SandboxSpec, signal: AbortSignal, onBooted?: () => void): Promise<void>;

  /**
   * Starts a command. The promise resolves when it runs; {@link Execution.result} when it is over. What it leaves running
   * in the background holds nobody up and runs on; what that prints later is read to nowhere, slowly where it is much.
   * When this engine stops, commands that still run count as killed for their callers, and run on inside in the same way.
   */
  exec(id: string, spec: ExecSpec): Promise<Execution>;

  /** The bytes of a file. @throws not_found, or invalid_input for a directory */
  readFile(id: string, path: string, signal: AbortSignal): Promise<Readable>;

  /**
   * Writes a file whole or not at all: parents are made (0755), an existing file keeps its mode, a new one has 0644
   * and belongs to the owner of the directory it is put into.
   */
  writeFile(id: string, path: string, content: Readable, signal: AbortSignal): Promise<void>;

  /** The entries of a directory, sorted by name. @throws not_found, or invalid_input for a file */
  listFiles(id: string, path: string, signal: AbortSignal): Promise<FileEntry[]>;

  /** Makes a directory and its parents; one that is there is fine. */
  makeDir(id: string, path: string, signal: AbortSignal): Promise<void>;

  /** Removes a file or a whole directory; one that is not there is fine. */
  removeFile(id: string, path: string, signal: AbortSignal): Promise<void>;

  /** Ends all processes and frees everything the sandbox had. One that is gone is fine. */
  destroySandbox(id: string): Promise<void>;

  /**
   * Reads every layer, all its bytes, and puts aside what is not as it was when it was made. That is told, and is there no
   * more: an image is built again where it is needed, a checkpoint that held it is `damaged`.
   */
  verify(signal: AbortSignal): Promise<readonly DamagedLayer[]>;

  /** Removes every layer that none of these checkpoints needs and no build or sandbox uses, and all kept downloads. */
  collect(live: readonly Checkpoint[]): Promise<{ layers: number; sizeBytes: number }>;

  /** Lets go of timers and handles. Sandboxes run on; the next start adopts them. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Ids of sandboxes that the server's records call running or hibernated; all others are removed. */
  readonly knownSandboxes: readonly string[];
  /** Progress of slow parts, one line each, for a log. */
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface EngineInfo {
  readonly engine: string;
  /** For example `runsc` or `runc`. */
  readonly runtime: string;
  readonly runtimeVersion: string;
  /** For people: `Ubuntu 22.04 (jammy)`. */
  readonly base: string;
  /** Digest of what the base contains, 64 hex digits. */
  readonly baseDigest: string;
  /** What {@link Engine.checkpoint} can keep. */
  readonly checkpointKinds: readonly CheckpointKind[];
  readonly diskQuota: DiskQuotaKind;
}

/**
 * How sandboxes and build steps are kept to their disk quota: `hard` fails the write, `watched` ends who is over it within
 * seconds, `none` does not.
 */
export type DiskQuotaKind = "hard" | "watched" | "none";

/** `disk_only` keeps files; `full` keeps memory and processes, too, and what starts from it goes on where they were. */
export type CheckpointKind = "disk_only" | "full";

/** `hibernated`: not running, but {@link Engine.wake} brings it back. */
export type EngineSandboxStatus = "running" | "hibernated" | "stopped";

/** What {@link Engine.checkpoint} kept. */
export interface TakenCheckpoint {
  readonly checkpoint: Checkpoint;
  /** What it takes on disk by itself, memory included. */
  readonly sizeBytes: number;
}

export interface Hibernated {
  readonly kind: CheckpointKind;
  readonly sizeBytes: number;
}

/** A layer that is not what it was. */
export interface DamagedLayer {
  readonly key: string;
  /** What was found, in words. */
  readonly problem: string;
}

export interface BuildPlan {
  /** One key a step. */
  readonly keys: readonly string[];
  /** Length of the longest built prefix, 0 to `keys.length`. */
  readonly cached: number;
}

export interface BuildRequest {
  readonly manifest: ImageManifest;
  /** Whose build it is, opaque: what package managers download is kept for the next build of the same scope, never shared. */
  readonly scope: string;
  /** Opens the bytes of a digest. @throws blob_missing */
  readonly openBlob: (digest: string) => Promise<OpenedBlob>;
  readonly onLog: (event: BuildEvent) => void;
  /** Limit of each step. */
  readonly stepTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Bytes on their way into a layer; the size is needed up front, because a tar header has it. */
export interface OpenedBlob {
  readonly sizeBytes: number;
  readonly stream: Readable;
}

/** One line of a build's life. Steps are counted from 1; 0 is before the first. */
export interface BuildEvent {
  readonly step: number;
  /** A step type, or `build`, `cache_hit`, `checkpoint`, `resolve`, `create`. */
  readonly type: string;
  readonly message: string;
  /** Set on lines that a command printed. */
  readonly stream?: "stdout" | "stderr";
}

/** What a sandbox starts from. Plain JSON: the server stores it and hands it back. */
export interface Checkpoint {
  /** Layer keys, lowest first; the first is the base. */
  readonly layers: readonly string[];
  /** Environment of the image's `env` steps. */
  readonly env: Readonly<Record<string, string>>;
  /** Default working directory, where a `workdir` step set one. */
  readonly workdir: string | null;
  /** The engine's key of the memory and processes that belong to these layers; absent where only files were kept. */
  readonly memory?: string;
  /**
   * What a `start_command` step runs in every sandbox. With {@link memory} it runs already; without, a create starts it and
   * waits until it is ready.
   */
  readonly start?: StartCommand;
}

/** A service that a sandbox is to have from its first moment on. */
export interface StartCommand {
  /** For `/bin/sh -c`, as user `sandbox`, in the image's environment and working directory. */
  readonly command: string;
  /** For `/bin/sh -c`, asked again and again until it exits with 0; absent: ready as soon as it was started. */
  readonly readyCommand?: string;
  readonly readyTimeoutMs: number;
}

export interface SandboxSpec {
  readonly id: string;
  readonly checkpoint: Checkpoint;
  readonly memoryMB: number;
  readonly cpuCount: number;
  /** What it may write, in MiB. Default: the engine's. */
  readonly diskMB?: number;
  /** What it reaches. Default: `egress`. */
  readonly network?: NetworkPolicy;
}

/**
 * What a sandbox reaches: `none` (its own loopback), `egress` (the world outside; private addresses, the host and other
 * sandboxes only where its operator opened them), or, of that, only certain destinations: a host (`pypi.org`), the hosts below one (`*.pypi.org`), an address or a block
 * (`192.0.2.0/24`). What is out of reach is refused at once. Names are resolved as the host resolves them, and only while
 * the engine runs; a name opens the addresses that it stands for, whoever else is found there.
 *
 * @throws invalid_input for a destination that is none of these, or that no sandbox reaches
 */
export type NetworkPolicy = "none" | "egress" | { readonly allow: readonly string[] };

export interface ExecSpec {
  /** Program and arguments; looked up on PATH inside. Never through a shell unless the caller names one. */
  readonly argv: readonly [string, ...string[]];
  /** The whole environment but PATH, HOME, USER and their like, which the engine adds where they are missing. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; null is the user's home. @throws invalid_input where it is no directory */
  readonly cwd: string | null;
  readonly user: "sandbox" | "root";
  /** The process group is killed when it runs out; 0 is no limit. */
  readonly timeoutMs: number;
  /** Piped in, then closed; absent is an empty stdin. */
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
}

export interface Execution {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles after both streams ended. Never rejects because of what the command did. */
  readonly result: Promise<ExecOutcome>;
  /** Sends a signal (number) to the process group. */
  kill(signal: number): Promise<void>;
}

export interface ExecOutcome {
  /**
   * 0 to 255, or -1 where the timeout or a signal to the whole process group ended it. A command that a signal of its own
   * ended reads 128 + signal, as in a shell (137 where it used up the memory).
   */
  readonly exitCode: number;
  readonly timedOut: boolean;
}

export interface FileEntry {
  readonly name: string;
  readonly path: string;
  readonly isDir: boolean;
  readonly sizeBytes: number;
}
