import type { Api } from "../api/contract";
import type { SandboxInfo } from "../api/records";
import { isOpenComputerError } from "../errors";
import { type ConnectionOptions, openConnection } from "./connection";
import { Exec } from "./exec";
import { Filesystem } from "./filesystem";
import { type SandboxOpts, toCreateRequest } from "./sandbox-opts";

/**
 * One running sandbox.
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
    private readonly api: Api,
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

  /** The same as {@link sandboxId}. */
  get id(): string {
    return this.sandboxId;
  }

  /** As it was when the server last told: at create, connect, {@link isRunning} or {@link kill}. */
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
}
