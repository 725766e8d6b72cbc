import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { Readable } from "node:stream";
import type { ExecRequest, ExecResult } from "../../api/records";
import type { Engine, Execution } from "../../engines/engine";
import { type ErrorJson, OpenComputerError, toErrorJson } from "../../errors";
import type { OrgStore } from "../store/store";
import { abortable } from "./abortable";
import { serverStopping } from "./build-service";
import { toExecSpec } from "./exec-spec";
import { OutputBuffer, OutputPool } from "./output-buffer";
import type { Quotas } from "./quotas";
import type { SandboxLife, SandboxUse } from "./sandbox-life";

/** How much output of a command that is polled for is kept, as on the wire. */
const ASYNC_OUTPUT_BYTES = 1024 * 1024;
/** How fast output is read that is not kept: 32 MiB a second. */
const DROPPED_BYTES_PER_MS = (32 * 1024 * 1024) / 1000;
/** How much of one whose caller waits: generous, but one sandbox must not fill the server's memory. */
const SYNC_OUTPUT_BYTES = 16 * 1024 * 1024;
/** How long a finished command's result can be asked for. */
const RESULT_KEPT_MS = 5 * 60_000;
/** run-async answers with the result at once where the command is over within this. */
const INLINE_HOLD_MS = 400;
const POLL_HOLD_MS = 500;
const SIGKILL = 9;
const MIB = 1024 * 1024;

export interface ExecServiceParts {
  readonly engine: Engine;
  readonly life: SandboxLife;
  readonly quotas: Quotas;
  readonly now: () => number;
}

/** A command that runs. */
export interface RunningCommand {
  readonly startedAt: number;
  /** Rejects only where the engine broke or the server is stopping. */
  readonly result: Promise<ExecResult>;
  kill(): void;
  /** Its output has been read, or nobody will: the next ones may keep as much. Again is fine. */
  forget(): void;
}

/** What is known of a command: still running, or its result. */
export type CommandState =
  | {
      readonly kind: "running";
      readonly execId: string;
      readonly startedAt: number;
      readonly output: ExecOutput;
      /** The sandbox is being woken for it. */
      readonly isWaking: boolean;
    }
  | { readonly kind: "over"; readonly result: ExecResult }
  | { readonly kind: "failed"; readonly error: ErrorJson; readonly output: ExecOutput };

type ExecOutput = Pick<ExecResult, "stdout" | "stderr" | "truncated">;

interface Launch {
  readonly output: OutputBuffer;
  /** Ends the wait for the sandbox. */
  readonly signal: AbortSignal;
}

interface KeptCommand extends RunningCommand {
  readonly output: OutputBuffer;
  readonly isWaking: () => boolean;
}

/** Commands in sandboxes: waited for, or started and asked about. */
export class ExecService {
  private readonly live = new Set<KeptCommand>();
  private readonly kept = new Map<string, KeptCommand>();
  private readonly pools = new Map<string, OutputPool>();
  private readonly stopped = new AbortController();

  constructor(private readonly parts: ExecServiceParts) {
    // Every command that waits for a sandbox to wake listens to it.
    setMaxListeners(0, this.stopped.signal);
  }

  /**
   * Starts a command whose caller waits for {@link RunningCommand.result}; the signal fires when they leave.
   *
   * @throws not_found, gone, invalid_input, quota_exceeded, aborted
   */
  async run(org: OrgStore, sandboxId: string, request: ExecRequest, signal: AbortSignal): Promise<RunningCommand> {
    const output = new OutputBuffer(SYNC_OUTPUT_BYTES, this.poolOf(org));
    return await this.launch(org, sandboxId, request, { output, signal });
  }

  /**
   * Starts a command and waits a moment for its end, or not at all where its sandbox has to be woken first; later ask with
   * {@link ExecService.poll}.
   */
  async start(org: OrgStore, sandboxId: string, request: ExecRequest): Promise<CommandState> {
    const isAsleep = await this.parts.life.isAsleep(org, sandboxId);
    const output = new OutputBuffer(ASYNC_OUTPUT_BYTES, this.poolOf(org));
    const launched = this.launch(org, sandboxId, request, { output, signal: this.stopped.signal });
    const command = isAsleep ? this.launchLater(launched, output) : await launched;
    const execId = `ex-${randomBytes(6).toString("hex")}`;
    const state = await stateWithin(execId, command, isAsleep ? 0 : INLINE_HOLD_MS);
    if (state.kind === "running") this.keep(org, keyOf(org, sandboxId, execId), command);
    else command.forget();
    return state;
  }

  /** What has become of a command; waits a moment for its end. @throws not_found, also 5 minutes after the end */
  async poll(org: OrgStore, sandboxId: string, execId: string): Promise<CommandState> {
    const command = this.kept.get(keyOf(org, sandboxId, execId));
    if (command !== undefined) return await stateWithin(execId, command, POLL_HOLD_MS);
    const message = `no command ${execId} in sandbox ${sandboxId}; results are kept for 5 minutes, and not over a restart`;
    throw new OpenComputerError("not_found", message);
  }

  /** Ends all commands, whose callers could not be answered any more. */
  stop(): void {
    this.stopped.abort(serverStopping());
    for (const command of this.live) command.kill();
  }

  private async launch(org: OrgStore, sandboxId: string, request: ExecRequest, { output, signal }: Launch) {
    this.stopped.signal.throwIfAborted();
    const { engine, life, now } = this.parts;
    const use = await this.begin(org, sandboxId, signal);
    try {
      const { checkpoint } = await life.originOf(org, use.sandbox);
      const execution = await engine.exec(sandboxId, toExecSpec(request, checkpoint, use.sandbox.envs));
      const command = this.toCommand(sandboxId, execution, output, now());
      this.live.add(command);
      const over = () => {
        this.live.delete(command);
        use.end();
      };
      command.result.then(over, over);
      return command;
    } catch (error) {
      use.end();
      throw await life.explain(org, use.sandbox, error);
    }
  }

  /** Takes the sandbox into use and counts the command, until both end. */
  private async begin(org: OrgStore, sandboxId: string, signal: AbortSignal): Promise<SandboxUse> {
    const endCount = this.parts.quotas.enter(org.orgId, "commands");
    try {
      const use = await this.parts.life.use(org, sandboxId, signal);
      const end = () => {
        use.end();
        endCount();
      };
      return { sandbox: use.sandbox, end };
    } catch (error) {
      endCount();
      throw error;
    }
  }

  /** A command that begins when its sandbox is awake. */
  private launchLater(launched: Promise<KeptCommand>, output: OutputBuffer): KeptCommand {
    let waking = true;
    const awake = () => {
      waking = false;
    };
    launched.then(awake, awake);
    const result = launched.then((command) => command.result);
    // What became of it is told to whoever polls.
    result.catch(() => {});
    const kill = () => void launched.then((command) => command.kill()).catch(() => {});
    const forget = () => output.release();
    return { startedAt: this.parts.now(), output, result, kill, forget, isWaking: () => waking };
  }

  private toCommand(sandboxId: string, execution: Execution, output: OutputBuffer, startedAt: number): KeptCommand {
    for (const name of ["stdout", "stderr"] as const) {
      execution[name].on("data", (bytes: Buffer) => {
        output.append(name, bytes);
        if (output.truncated) readOnLater(execution[name], bytes.length / DROPPED_BYTES_PER_MS);
      });
      // A pipe that breaks ends early; how the command ended is told by its result.
      execution[name].on("error", () => {});
    }
    const result = execution.result.then(async ({ exitCode, timedOut }): Promise<ExecResult> => {
      this.stopped.signal.throwIfAborted();
      const why = exitCode === -1 && !timedOut ? await this.parts.engine.stopReason(sandboxId) : null;
      if (why !== null) output.append("stderr", lastLine(output, `Sandbox stopped: it ${why}`));
      if (timedOut) output.append("stderr", lastLine(output, "Process timed out"));
      return { exitCode, ...toOutput(output) };
    });
    // A failure of the engine ends the process group, which may be gone already: nothing is left to say about it.
    const kill = () => void execution.kill(SIGKILL).catch(() => {});
    return { startedAt, output, result, kill, forget: () => output.release(), isWaking: () => false };
  }

  private keep(org: OrgStore, key: string, command: KeptCommand): void {
    this.kept.set(key, command);
    const forget = () => {
      this.kept.delete(key);
      command.forget();
    };
    const age = () => {
      this.poolOf(org).keepResult(forget);
      setTimeout(forget, RESULT_KEPT_MS).unref();
    };
    command.result.then(age, age);
  }

  private poolOf({ orgId }: OrgStore): OutputPool {
    const pool = this.pools.get(orgId) ?? new OutputPool(this.parts.quotas.limits.maxOutputMB * MIB);
    this.pools.set(orgId, pool);
    return pool;
  }
}

/** Who prints more than is kept has time: the server's belongs to others. */
function readOnLater(stream: Readable, afterMs: number): void {
  stream.pause();
  setTimeout(() => stream.resume(), afterMs);
}

async function stateWithin(execId: string, command: KeptCommand, holdMs: number): Promise<CommandState> {
  const { startedAt, output, isWaking } = command;
  const hold = AbortSignal.timeout(holdMs);
  try {
    return { kind: "over", result: await abortable(command.result, hold) };
  } catch (error) {
    if (hold.aborted) return { kind: "running", execId, startedAt, output: toOutput(output), isWaking: isWaking() };
    return { kind: "failed", error: toErrorJson(error), output: toOutput(output) };
  }
}

function toOutput(output: OutputBuffer): ExecOutput {
  const texts = { stdout: output.text("stdout"), stderr: output.text("stderr") };
  return output.truncated ? { ...texts, truncated: true } : texts;
}

/** On a line of its own, whatever stderr ends with. */
function lastLine(output: OutputBuffer, text: string): Buffer {
  const stderr = output.text("stderr");
  return Buffer.from(`${stderr === "" || stderr.endsWith("\n") ? "" : "\n"}${text}\n`);
}

function keyOf(org: OrgStore, sandboxId: string, execId: string): string {
  return `${org.orgId}/${sandboxId}/${execId}`;
}
