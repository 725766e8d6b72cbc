import { setTimeout as sleep } from "node:timers/promises";
import type { ServerApi } from "../api/contract";
import { fromErrorJson, OpenComputerError } from "../errors";
import { version } from "../version";
import { LogTail } from "./log-tail";
import { embeddedHome, findEmbedded, type RunningEmbedded } from "./running-server";
import { type ServerProcess, serverLogFile, startServerProcess } from "./server-process";

export interface EmbeddedOptions {
  /** Where `OPENCOMPUTER_HOME` and what the server needs are looked up. Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** One line for people while the server starts; the first start on a machine prepares the base and takes minutes. */
  readonly onProgress?: (line: string) => void;
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal;
  /** The file to start instead of this package's command. */
  readonly serverEntry?: string;
  readonly waits?: Partial<EmbeddedWaits>;
}

/** How long to wait for a server that starts. */
export interface EmbeddedWaits {
  /** In all. Default 30 min: the first start builds the base. */
  readonly totalMs: number;
  /** Without a new line in the server's log. Default 60 s. */
  readonly silenceMs: number;
  /** Before the start is tried again where another server held the home; doubles each time. Default 2 s. */
  readonly restartMs: number;
}

const DEFAULT_WAITS: EmbeddedWaits = { totalMs: 30 * 60_000, silenceMs: 60_000, restartMs: 2_000 };
const POLL_MS = 100;
const STILL_STARTING =
  "waiting for the server was aborted; it goes on starting in the background; stop it with: pulumi-opencomputer stop";

/**
 * Finds this user's embedded server, or starts it and waits until it is ready. Programs may start it at the same time:
 * the server's own lock lets one through, and all of them find that one.
 *
 * @throws what the server gave up with; timeout; unavailable where it died; aborted (the server is left alone)
 */
export async function connectEmbedded(options: EmbeddedOptions = {}): Promise<ServerApi> {
  const env = options.env ?? process.env;
  const home = embeddedHome(env);
  const running = (await findEmbedded(home, options)) ?? (await startEmbedded(home, env, options));
  if (running.card.version !== version) {
    options.onWarning?.(
      `the running server is of version ${running.card.version}, this package of version ${version}; to change over: pulumi-opencomputer stop`,
    );
  }
  return running.api;
}

async function startEmbedded(
  home: string,
  env: Readonly<Record<string, string | undefined>>,
  options: EmbeddedOptions,
): Promise<RunningEmbedded> {
  const tail = await LogTail.fromEnd(serverLogFile(home));
  const start = () => startServerProcess({ home, env, ...(options.serverEntry ? { entry: options.serverEntry } : {}) });
  options.onProgress?.(`starting the OpenComputer server in ${home}`);
  const wait = new StartWait(home, tail, start, options);
  try {
    return await wait.untilReady();
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new OpenComputerError("aborted", STILL_STARTING, { cause: error });
  }
}

/** One wait for a start: polls for the card, reads the log, and starts again where another server stood in the way. */
class StartWait {
  private readonly waits: EmbeddedWaits;
  private readonly startedAt = performance.now();
  private lastSignAt = performance.now();
  private lastLines: string[] = [];
  private lostToAnother = false;
  private child: ServerProcess | undefined;
  private startAgainAt = 0;
  private restarts = 0;

  constructor(
    private readonly home: string,
    private readonly tail: LogTail,
    private readonly start: () => Promise<ServerProcess>,
    private readonly options: EmbeddedOptions,
  ) {
    this.waits = { ...DEFAULT_WAITS, ...options.waits };
  }

  async untilReady(): Promise<RunningEmbedded> {
    for (;;) {
      if (!this.child && performance.now() >= this.startAgainAt) this.child = await this.start();
      const exit = this.child?.exit();
      await this.readLog();
      const running = await findEmbedded(this.home, this.options);
      if (running) return running;
      if (exit !== undefined) this.afterExit(exit);
      this.checkTime();
      await sleep(POLL_MS, undefined, this.options.signal ? { signal: this.options.signal } : {});
    }
  }

  private async readLog(): Promise<void> {
    for (const line of await this.tail.read()) {
      this.lastSignAt = performance.now();
      this.lastLines = [...this.lastLines, line.text].slice(-5);
      if (line.progress) this.options.onProgress?.(line.progress);
      // A server that finds the home taken gives way: the one that has it is the one to wait for.
      if (line.fatal?.code === "conflict") this.lostToAnother = true;
      else if (line.fatal) throw fromErrorJson(line.fatal, "internal");
    }
  }

  /** The other server may be on its way out: without another try nobody would start one. */
  private afterExit(exit: string): void {
    if (!this.lostToAnother) throw this.failure("unavailable", `the embedded server did not start (${exit})`);
    this.lostToAnother = false;
    this.child = undefined;
    this.startAgainAt = performance.now() + this.waits.restartMs * 2 ** Math.min(this.restarts++, 4);
  }

  private checkTime(): void {
    const now = performance.now();
    const silent = now - this.lastSignAt > this.waits.silenceMs;
    if (!silent && now - this.startedAt <= this.waits.totalMs) return;
    const limit = silent
      ? `${this.waits.silenceMs / 1000} s without a line in its log`
      : `${this.waits.totalMs / 1000} s`;
    throw this.failure("timeout", `the embedded server was not ready after ${limit}`);
  }

  private failure(code: "unavailable" | "timeout", what: string): OpenComputerError {
    const lines = this.lastLines.length > 0 ? `; its last lines:\n${this.lastLines.join("\n")}` : "";
    return new OpenComputerError(
      code,
      `${what}; look at ${serverLogFile(this.home)} and run pulumi-opencomputer doctor${lines}`,
    );
  }
}
