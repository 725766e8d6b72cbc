import type { Api } from "../api/contract";
import { isOpenComputerError, OpenComputerError } from "../errors";

/** What a command came to. */
export interface ProcessResult {
  /** 0 to 255, or -1 where a signal or the timeout ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOpts {
  /** Limit on the server, in seconds; 0 is none. Default 60. */
  readonly timeout?: number;
  /** On top of the sandbox's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. Default: the image's workdir, else the home directory. */
  readonly cwd?: string;
  /** Ends the wait here; the command goes on. */
  readonly signal?: AbortSignal;
  /** Ends the wait here after so many milliseconds; the command goes on. Default: no limit but the server's. */
  readonly timeoutMs?: number;
}

/** The wait for a command ended before the command did: code `timeout` or `aborted`. */
export class ExecTimeoutError extends OpenComputerError {
  /** Names the command on the server; empty where it was not started yet. */
  readonly execId: string;

  constructor(code: "timeout" | "aborted", message: string, execId: string, cause: unknown) {
    super(code, message, { details: { execId }, cause });
    this.name = "ExecTimeoutError";
    this.execId = execId;
  }
}

/** Commands in one sandbox. */
export class Exec {
  constructor(
    private readonly api: Api,
    private readonly sandboxId: string,
  ) {}

  /**
   * Runs a shell command to its end. An exit code other than 0 is a result, not an error.
   *
   * @throws ExecTimeoutError, gone where the sandbox is stopped, not_found
   * @example (await sandbox.exec.run("echo hi")).stdout // "hi\n"
   */
  async run(command: string, options: RunOpts = {}): Promise<ProcessResult> {
    const { signal, timeoutMs } = options;
    const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [signal, limit].filter((one) => one !== undefined);
    try {
      const ends = signals.length > 0 ? { signal: AbortSignal.any(signals) } : {};
      const { exitCode, stdout, stderr } = await this.api.exec(this.sandboxId, toRequest(command, options), ends);
      return { exitCode, stdout, stderr };
    } catch (error) {
      if (!isOpenComputerError(error, "aborted")) throw error;
      const execId = String(error.details["execId"] ?? "");
      if (signal?.aborted) throw new ExecTimeoutError("aborted", error.message, execId, error);
      const message = `the command did not end within ${timeoutMs} ms; it goes on in sandbox ${this.sandboxId}`;
      throw new ExecTimeoutError("timeout", message, execId, error);
    }
  }
}

/** As the official client sends it. */
function toRequest(command: string, { timeout = 60, env, cwd }: RunOpts) {
  return { cmd: "sh", args: ["-c", command], timeout, ...(env ? { envs: env } : {}), ...(cwd ? { cwd } : {}) };
}
