import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { OpenComputerError } from "../../errors";
import type { ExecSpec, Execution } from "../engine";
import { COMMAND_ENV } from "./command";
import { type ContainerDeps, isRunning } from "./container";
import { execProcess, homeOf, hostUser } from "./exec-process";
import { type ExecReports, readReports, type StartReport } from "./exec-reports";
import { feed, type OutputStream, outputStream } from "./exec-streams";

const START_TIMEOUT_MS = 30_000;
const SIGKILL = 9;

/** The runtime's process that stands for a command on the host. */
interface Front {
  readonly reports: ExecReports;
  readonly exited: Promise<void>;
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Ends the front; the command inside runs on. */
  end(): void;
}

/**
 * Starts a command in the container of `dir`; see {@link ExecSpec}.
 *
 * @throws gone where the container does not run; invalid_input where `cwd` is no directory
 */
export async function execInContainer(deps: ContainerDeps, dir: string, spec: ExecSpec): Promise<Execution> {
  if (/^\/(proc|sys)(\/|$)/.test(posix.normalize(spec.cwd ?? "/"))) throw noDirectory(spec);
  const id = basename(dir);
  const call = join(deps.home.execs, randomBytes(8).toString("hex"));
  const forget = () => Promise.all([`${call}.json`, `${call}.pid`].map((file) => rm(file, { force: true })));
  try {
    const front = await startFront(deps, id, call, spec);
    const started = await withLimit(front.reports.started, () => front.end());
    if (started.kind !== "started") throw await startError(started, dir, spec, front);
    if (spec.stdin && front.stdin) feed(spec.stdin, front.stdin);
    const kill = (signal: number) => signalGroup(deps, id, started.pid, `${call}.pid`, signal);
    const { result, ...streams } = supervise(front, spec, kill);
    return { ...streams, result: result.finally(forget) };
  } catch (error) {
    await forget();
    throw error;
  }
}

async function startFront(deps: ContainerDeps, id: string, call: string, spec: ExecSpec): Promise<Front> {
  const { pipes, runtime } = deps;
  const owner = hostUser(spec.user);
  const [out, err] = await Promise.all([pipes.take(owner), pipes.take(owner)]);
  try {
    // It holds the environment, and with it secrets.
    const description = JSON.stringify(execProcess(spec, deps.facts.env, deps.openFiles));
    await writeFile(`${call}.json`, description, { mode: 0o600 });
    // Spawned as it is: execa hands no descriptors of ours on. What the runtime itself says goes to stderr.
    const child = spawn(runtime.path, runtime.execArgs(id, `${call}.json`, `${call}.pid`), {
      stdio: [spec.stdin ? "pipe" : "ignore", "ignore", err.writeEnd, "pipe", out.writeEnd, err.writeEnd],
      env: COMMAND_ENV,
    });
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const reports = readReports(child.stdio[3] as Readable, exited);
    const end = () => child.kill("SIGKILL");
    return { reports, exited, stdin: child.stdin, stdout: out.source, stderr: err.source, end };
  } finally {
    await Promise.all([out.handedOver(), err.handedOver()]);
  }
}

async function withLimit(started: Promise<StartReport>, end: () => void): Promise<StartReport> {
  const timer = setTimeout(end, START_TIMEOUT_MS);
  return started.finally(() => clearTimeout(timer));
}

async function startError(report: StartReport, dir: string, spec: ExecSpec, front: Front): Promise<OpenComputerError> {
  let said = "";
  for await (const chunk of front.stderr) said = `${said}${chunk}`.slice(-2000);
  front.stdout.destroy();
  if (report.kind === "no-directory") return noDirectory(spec);
  if (await isRunning(dir)) return new OpenComputerError("internal", `cannot start the command: ${said.trim()}`);
  return new OpenComputerError("gone", `sandbox ${basename(dir)} is not running`);
}

function noDirectory({ cwd, user }: ExecSpec): OpenComputerError {
  const place = JSON.stringify(cwd ?? homeOf(user));
  const message = `the working directory ${place} is not a directory that user ${user} can enter in this sandbox`;
  return new OpenComputerError("invalid_input", message, { details: { cwd } });
}

/** Watches over a running command until it is over, by itself or by timeout or signal. */
function supervise(front: Front, spec: ExecSpec, signal: (signal: number) => Promise<void>): Execution {
  const stdout = outputStream(front.stdout);
  const stderr = outputStream(front.stderr);
  let timedOut = false;
  let sent = 0;
  const kill = async (number: number) => {
    sent = number;
    await signal(number);
  };
  const abort = () => void kill(SIGKILL);
  const expire = () => {
    timedOut = true;
    abort();
  };
  const timer = spec.timeoutMs > 0 ? setTimeout(expire, spec.timeoutMs) : undefined;
  spec.signal?.addEventListener("abort", abort, { once: true });
  if (spec.signal?.aborted) abort();
  const result = front.reports.ended.then(async (code) => {
    clearTimeout(timer);
    spec.signal?.removeEventListener("abort", abort);
    await settle(front, [stdout, stderr]);
    const signalled = timedOut || code === null || (sent > 0 && code === 128 + sent);
    return { exitCode: signalled ? -1 : code, timedOut };
  });
  return { stdout: stdout.output, stderr: stderr.output, result, kill };
}

/** The command is over: hands on what it wrote, then lets go, also of what it left running in the background. */
async function settle(front: Front, streams: readonly OutputStream[]): Promise<void> {
  await Promise.all(streams.map((stream) => stream.drained()));
  front.end();
  for (const stream of streams) stream.end();
  await front.exited;
  await Promise.all(streams.map((stream) => finished(stream.output).catch(() => undefined)));
}

/** Signals the whole group of a command: its launcher leads it. */
async function signalGroup(deps: ContainerDeps, id: string, inner: number, pidFile: string, signal: number) {
  if (deps.runtime.kind === "runsc") return deps.runtime.signalGroup(id, inner, signal);
  const leader = await readPid(pidFile);
  try {
    if (leader > 1) process.kill(-leader, signal);
  } catch {
    // The group has ended.
  }
}

/** runc writes it a moment after the command started. */
async function readPid(file: string): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
    if (pid > 1) return pid;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return 0;
}
