import type { ServerApi } from "../api/contract";
import type { CheckpointInfo, ForkResult, HibernationInfo, SandboxInfo } from "../api/records";
import { fromErrorJson, isOpenComputerError, type OpenComputerError } from "../errors";
import { type CreateCheckpointOptions, toCheckpointRequest, waitForCheckpoint } from "./checkpoints";
import { type ConnectionOptions, openConnection } from "./connection";
import { Exec } from "./exec";
import { Filesystem } from "./filesystem";
import { type ForkManyOpts, type FromCheckpointOpts, toForkManyRequest, toForkRequest } from "./fork-opts";
import type { WaitForReadyOpts } from "./poll";
import { type SandboxOpts, toCreateRequest } from "./sandbox-opts";

/** One of the sandboxes of a fork, or why there is none. */
export type ForkedSandbox =
  | { readonly sandbox: Sandbox; readonly error?: undefined }
  | { readonly sandbox?: undefined; readonly error: OpenComputerError };

/**
 * One sandbox. A hibernated one is woken by the next command or file call.
 *
 * @example
 * const sandbox = await Sandbox.create({ image: Image.base().pipInstall(["pandas"]) });
 * try {
 *   const { stdout } = await sandbox.exec.run("python3 -c 'import pandas; print(pandas.__version__)'");
 * } finally {
 *   await sandbox.kill();
 * }
 */
export class Sandbox implements AsyncDisposable {
  readonly sandboxId: string;
  /** Commands. */
  readonly exec: Exec;
  /** The same as {@link exec}; the official SDK's older name. */
  readonly commands: Exec;
  readonly files: Filesystem;
  private currentStatus: string;

  private constructor(
    private readonly api: ServerApi,
    info: SandboxInfo,
  ) {
    this.sandboxId = info.sandboxID;
    this.exec = new Exec(api, info.sandboxID);
    this.commands = this.exec;
    this.files = new Filesystem(api, info.sandboxID);
    this.currentStatus = info.status;
  }

  /**
   * Starts a sandbox; with `image`, after building what is not built yet.
   *
   * @throws invalid_input, not_found for a snapshot, build_failed, aborted, unsupported for a network that the server
   *   cannot keep to
   */
  static async create(options: SandboxOpts = {}): Promise<Sandbox> {
    const request = toCreateRequest(options);
    const { onBuildLog, signal } = options;
    const api = await openConnection(options, signal);
    const info = await api.createSandbox(request, {
      ...(signal ? { signal } : {}),
      ...(onBuildLog ? { onBuildLog: ({ message }) => onBuildLog(message) } : {}),
    });
    return new Sandbox(api, info);
  }

  /** A sandbox that exists. @throws not_found */
  static async connect(sandboxId: string, options: ConnectionOptions = {}): Promise<Sandbox> {
    const api = await openConnection(options);
    return new Sandbox(api, await api.getSandbox(sandboxId));
  }

  /**
   * Starts a sandbox from a checkpoint, also where the checkpointed one is gone. A checkpoint that is still being kept is
   * waited for.
   *
   * @throws not_found, invalid_input where the checkpoint failed
   */
  static async createFromCheckpoint(checkpointId: string, options: FromCheckpointOpts = {}): Promise<Sandbox> {
    const request = toForkRequest("Sandbox.createFromCheckpoint", options);
    const { signal } = options;
    const api = await openConnection(options, signal);
    return new Sandbox(api, await api.createSandboxFromCheckpoint(checkpointId, request, signal ? { signal } : {}));
  }

  /** The same as {@link sandboxId}. */
  get id(): string {
    return this.sandboxId;
  }

  /** As it was when the server last told: at create, connect, {@link isRunning}, and whatever changes it. */
  get status(): string {
    return this.currentStatus;
  }

  /** Asks the server. False also where the sandbox is gone. */
  async isRunning(): Promise<boolean> {
    try {
      this.currentStatus = (await this.api.getSandbox(this.sandboxId)).status;
    } catch (error) {
      if (!isOpenComputerError(error, "not_found")) throw error;
      this.currentStatus = "stopped";
    }
    return this.currentStatus === "running";
  }

  /** Sets the idle timeout anew, in seconds from now; 0 is never. */
  setTimeout(timeoutSeconds: number): Promise<void> {
    return this.api.setSandboxTimeout(this.sandboxId, timeoutSeconds);
  }

  /** Puts these tags in the place of all that it has. */
  setTags(tags: Readonly<Record<string, string>>): Promise<void> {
    return this.api.setSandboxTags(this.sandboxId, tags);
  }

  /**
   * Stops it so that it can be woken; what it wrote stays. The answer's `kind` says whether memory and processes stay, too
   * (`full`). One that is hibernated already is fine.
   *
   * @throws gone where it is stopped
   */
  async hibernate(): Promise<HibernationInfo> {
    const info = await this.api.hibernateSandbox(this.sandboxId);
    this.currentStatus = info.status;
    return info;
  }

  /** Brings a hibernated one back. `timeout` is its new idle timeout in seconds; default 0: never. */
  async wake(options: { readonly timeout?: number } = {}): Promise<void> {
    this.currentStatus = (await this.api.wakeSandbox(this.sandboxId, options.timeout ?? 0)).status;
  }

  /**
   * Keeps what it is now, under a name of its own; it runs on. Answered when that was begun: {@link waitForCheckpoint}
   * tells its end.
   *
   * @throws conflict where it has one of that name; invalid_input at the limit; unsupported for a kind that the server
   *   cannot keep
   * @example
   * const { id } = await sandbox.createCheckpoint("before-upgrade");
   * await sandbox.waitForCheckpoint(id);
   */
  async createCheckpoint(name: string, options: CreateCheckpointOptions = {}): Promise<CheckpointInfo> {
    return this.api.createCheckpoint(this.sandboxId, toCheckpointRequest(name, options));
  }

  /** Waits until a checkpoint is kept. @throws internal with the reason where it failed; not_found, timeout, aborted */
  waitForCheckpoint(checkpointId: string, options: WaitForReadyOpts = {}): Promise<CheckpointInfo> {
    return waitForCheckpoint(this.api, this.sandboxId, checkpointId, options);
  }

  /** Its checkpoints, newest first. They outlive it. */
  listCheckpoints(): Promise<CheckpointInfo[]> {
    return this.api.listCheckpoints(this.sandboxId);
  }

  /** Puts it back to one of its checkpoints: all that it wrote since is lost. @throws not_found, gone where it failed */
  async restoreCheckpoint(checkpointId: string): Promise<void> {
    this.currentStatus = (await this.api.restoreCheckpoint(this.sandboxId, checkpointId)).status;
  }

  /** One that is gone is fine. Sandboxes that were started from it are not affected. */
  deleteCheckpoint(checkpointId: string): Promise<void> {
    return this.api.deleteCheckpoint(this.sandboxId, checkpointId);
  }

  /**
   * Starts `count` (1 to 100) sandboxes from what this one is now; it runs on. Each has a result of its own: some may fail
   * where others do not. Our server only.
   *
   * @throws not_found, gone, unsupported for a kind that the server cannot keep
   * @example
   * for (const { sandbox, error } of await parent.fork(3, { envs: { ROLE: "worker" } })) {
   *   if (sandbox) await sandbox.exec.run("./work.sh");
   *   else console.error(error.message);
   * }
   */
  async fork(count = 1, options: ForkManyOpts = {}): Promise<ForkedSandbox[]> {
    const { signal } = options;
    const request = toForkManyRequest(count, options);
    const results = await this.api.forkSandbox(this.sandboxId, request, signal ? { signal } : {});
    return results.map((result) => this.toForked(result));
  }

  /**
   * Ends all its processes and frees what it had; one that has stopped is fine.
   *
   * @throws not_found where the server knows no such sandbox
   */
  async kill(): Promise<void> {
    await this.api.killSandbox(this.sandboxId);
    this.currentStatus = "stopped";
  }

  /** Kills it at the end of an `await using` block; one that is gone is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill();
    } catch (error) {
      if (!isOpenComputerError(error, "not_found")) throw error;
    }
  }

  private toForked(result: ForkResult): ForkedSandbox {
    if ("sandbox" in result) return { sandbox: new Sandbox(this.api, result.sandbox) };
    return { error: fromErrorJson(result, result.code) };
  }
}
