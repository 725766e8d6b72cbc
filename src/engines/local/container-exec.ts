import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { basename, join, posix } from "node:path";
import type { Readable } from "node:stream";
import { OpenComputerError } from "../../errors";
import type { ExecSpec, Execution } from "../engine";
import { COMMAND_ENV } from "./command";
import { type ContainerDeps, isRunning } from "./container";
import { execProcess, homeOf, hostUser } from "./exec-process";
import { readReports, type StartReport } from "./exec-reports";
import { feed } from "./exec-streams";
import { type Front, supervise } from "./exec-supervision";

const START_TIMEOUT_MS = 30_000;
/** What the runtime or the launcher has to say about a start that failed is there at once. */
const LAST_WORDS_MS = 1_000;

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
      stdio: [spec.stdin ? "pipe" : "ignore", "ignore", err.otherWriteEnd, "pipe", out.writeEnd, err.writeEnd],
      env: COMMAND_ENV,
    });
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const reports = readReports(child.stdio[3] as Readable, exited);
    const end = () => child.kill("SIGKILL");
    const abandon = (source: Socket) => deps.abandoned.take(id, source);
    return { reports, exited, stdin: child.stdin, stdout: out.source, stderr: err.source, end, abandon };
  } finally {
    await Promise.all([out.handedOver(), err.handedOver()]);
  }
}

async function withLimit(started: Promise<StartReport>, end: () => void): Promise<StartReport> {
  const timer = setTimeout(end, START_TIMEOUT_MS);
  return started.finally(() => clearTimeout(timer));
}

async function startError(report: StartReport, dir: string, spec: ExecSpec, front: Front): Promise<OpenComputerError> {
  const said = await lastWords(front);
  if (report.kind === "no-directory") return noDirectory(spec);
  if (await isRunning(dir)) return new OpenComputerError("internal", `cannot start the command: ${said.trim()}`);
  return new OpenComputerError("gone", `sandbox ${basename(dir)} is not running`);
}

/** Does not wait for the end: whatever is inside may hold the pipe open, or print without end. */
async function lastWords({ stdout, stderr }: Front): Promise<string> {
  stdout.destroy();
  let said = "";
  const timer = setTimeout(() => stderr.destroy(), LAST_WORDS_MS);
  try {
    for await (const chunk of stderr) said = `${said}${chunk}`.slice(-2000);
  } catch {
    // It was cut off.
  } finally {
    clearTimeout(timer);
  }
  return said;
}

function noDirectory({ cwd, user }: ExecSpec): OpenComputerError {
  const place = JSON.stringify(cwd ?? homeOf(user));
  const message = `the working directory ${place} is not a directory that user ${user} can enter in this sandbox`;
  return new OpenComputerError("invalid_input", message, { details: { cwd } });
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
