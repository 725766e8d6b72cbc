import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { OpenComputerError } from "../../../errors";

/** Lines of output that an error repeats. */
const LAST_LINES = 15;

/** A program of the machine, and what to say when it is not there or fails. */
export interface ToolRun {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Each line of stdout and stderr, as it comes. */
  readonly onLine?: (line: string) => void;
  /** What it does, for errors: `unpacking /tmp/x.tar`. */
  readonly purpose: string;
  /** Which error a failure is: `unavailable` where the network did it, `invalid_input` where the input did. */
  readonly failure: "unavailable" | "invalid_input";
}

/**
 * Runs a program to its end and returns its stdout and stderr, at most the last 15 lines.
 *
 * @throws requirement_missing where the program is not installed; aborted; timeout; or the run's own `failure`, with
 *   the last lines
 */
export async function runTool(run: ToolRun): Promise<string> {
  requireTool(run.file, run.env, run.purpose);
  throwIfAborted(run.signal, run.purpose);
  const lines: string[] = [];
  const child = execa(run.file, run.args, {
    env: run.env,
    extendEnv: false,
    all: true,
    buffer: false,
    reject: false,
    timeout: run.timeoutMs,
    // Programs that hold the mounts of a half-built base may ignore politer signals.
    killSignal: "SIGKILL",
    cancelSignal: run.signal,
    ...(run.input === undefined ? { stdin: "ignore" as const } : { input: run.input }),
  });
  const consumed = (async () => {
    for await (const line of child.iterable({ from: "all" })) {
      lines.push(withoutCredentials(String(line)));
      if (lines.length > LAST_LINES) lines.shift();
      run.onLine?.(String(line));
    }
  })().catch(() => undefined);
  const result = await child;
  await consumed;
  if (result.failed) throw toError(run, result, lines);
  return lines.join("\n");
}

/** Picks what a program that uses the network needs from an environment, and nothing that it does not: no secrets. */
export function toolEnv(hostEnv: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const wanted = /^(PATH|HOME|https?_proxy|ftp_proxy|all_proxy|no_proxy|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE)$/i;
  const picked = Object.entries(hostEnv).filter(([name, value]) => wanted.test(name) && value !== undefined);
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...Object.fromEntries(picked),
    LC_ALL: "C.UTF-8",
  };
}

/** Programs whose package has another name. */
const PACKAGES: ReadonlyMap<string, string> = new Map([["setpriv", "util-linux"]]);

/** @throws requirement_missing where the program is not on the PATH of that environment */
export function requireTool(file: string, env: Readonly<Record<string, string>>, purpose: string): void {
  const folders = file.startsWith("/") ? [""] : (env["PATH"] ?? "").split(":");
  if (folders.some((folder) => isExecutable(join(folder, file)))) return;
  throw new OpenComputerError(
    "requirement_missing",
    `${purpose} needs the program ${file}, which is not installed. Install it (on Debian and Ubuntu: apt-get install ${PACKAGES.get(file) ?? file}) and try again.`,
    { details: { tool: file } },
  );
}

/** @throws aborted where the signal has fired */
export function throwIfAborted(signal: AbortSignal, purpose: string): void {
  if (signal.aborted) throw new OpenComputerError("aborted", `${purpose} was aborted`);
}

interface ToolFailure {
  readonly isCanceled: boolean;
  readonly timedOut: boolean;
  readonly exitCode?: number;
  readonly signal?: string;
}

function toError(run: ToolRun, result: ToolFailure, lines: readonly string[]): OpenComputerError {
  if (result.isCanceled) return new OpenComputerError("aborted", `${run.purpose} was aborted`);
  if (result.timedOut) {
    return new OpenComputerError("timeout", `${run.purpose} took longer than ${run.timeoutMs / 60_000} minutes`);
  }
  const end = result.exitCode === undefined ? (result.signal ?? "no exit code") : `exit code ${result.exitCode}`;
  return new OpenComputerError(
    run.failure,
    `${run.purpose} failed: ${run.file} ended with ${end}:\n${lines.join("\n")}`,
    {
      details: { tool: run.file, lastLines: lines },
    },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function withoutCredentials(line: string): string {
  return line.replace(/\/\/[^/\s@]*@/g, "//");
}
