import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchRun } from "./bench-run";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 100;
const KEPT_CHARACTERS = 1_000;

export interface DaemonOptions {
  readonly args: readonly string[];
  /** True once it answers. */
  readonly isReady: () => Promise<boolean>;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a program that stays until the run ends, and waits until it answers. @throws with the end of its log */
export async function startDaemon(run: BenchRun, program: string, options: DaemonOptions): Promise<void> {
  const { args, isReady, env } = options;
  const logFile = join(run.dir, `${program.split("/").at(-1)}.log`);
  const log = await open(logFile, "w");
  const child = spawn(program, args, { stdio: ["ignore", log.fd, log.fd], env: env ?? process.env, detached: true });
  run.defer(() => stop(child));
  await log.close();
  let failure: string | undefined;
  child.once("error", (error) => {
    failure = error.message;
  });
  for (const deadline = Date.now() + START_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    run.signal.throwIfAborted();
    if (failure !== undefined || child.exitCode !== null) break;
    if (await isReady()) return;
  }
  const words = (await readFile(logFile, "utf8")).trim().slice(-KEPT_CHARACTERS);
  throw new Error(`${program} does not start: ${failure ?? words}`);
}

/** Detached, so that a Ctrl-C at the terminal leaves it to us to stop it when nothing needs it any more. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const hasStopped = await Promise.race([exited.then(() => true), sleep(STOP_TIMEOUT_MS, false, { ref: false })]);
  if (!hasStopped) child.kill("SIGKILL");
  await exited;
}
