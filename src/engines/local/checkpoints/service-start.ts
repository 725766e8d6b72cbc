import { setTimeout as sleep } from "node:timers/promises";
import type { Checkpoint, ExecSpec, Execution, StartCommand } from "../../engine";
import { createLineSplitter } from "../line-splitter";

/** Runs a command in the sandbox that is to have the service. */
export type ServiceExec = (spec: ExecSpec) => Promise<Execution>;

const READY_POLL_MS = 100;
/** An answer that takes longer is none. */
const READY_ANSWER_MS = 10_000;
const LAST_LINES = 20;

/** Why a service did not come up. */
export interface ServiceFailure {
  readonly what: string;
  /** -1 where it runs still. */
  readonly exitCode: number;
  readonly lastLines: readonly string[];
}

/**
 * Starts what a `start_command` step says and waits until it is ready; null where it is. It runs on when this resolves;
 * what it prints then goes nowhere.
 */
export async function startService(
  exec: ServiceExec,
  { env, workdir, start }: Pick<Checkpoint, "env" | "workdir"> & { readonly start: StartCommand },
  signal: AbortSignal,
  onLine: (line: string, stream: "stdout" | "stderr") => void = () => undefined,
): Promise<ServiceFailure | null> {
  const common = { env, cwd: workdir, user: "sandbox" } as const;
  const service = await exec({ ...common, argv: ["/bin/sh", "-c", start.command], timeoutMs: 0 });
  const printed = listen(service, onLine);
  if (start.readyCommand === undefined) return null;
  const ask: ExecSpec = { ...common, argv: ["/bin/sh", "-c", start.readyCommand], timeoutMs: READY_ANSWER_MS, signal };
  const giveUpAt = performance.now() + start.readyTimeoutMs;
  let exitCode: number | undefined;
  void service.result.then((outcome) => {
    exitCode = outcome.exitCode;
  });
  while (!(await succeeds(exec, ask))) {
    // One that went into the background by itself ends with 0.
    if (exitCode) return failure(start, `ended with code ${exitCode} before it was ready`, exitCode, printed());
    const seconds = start.readyTimeoutMs / 1000;
    if (performance.now() > giveUpAt) return failure(start, `was not ready within ${seconds} s`, -1, printed());
    await sleep(READY_POLL_MS, undefined, { signal });
  }
  return null;
}

/** Reads all that a service prints, and keeps its last lines. */
function listen(service: Execution, onLine: (line: string, stream: "stdout" | "stderr") => void): () => string[] {
  let lastLines: string[] = [];
  for (const stream of ["stdout", "stderr"] as const) {
    const lines = createLineSplitter((line) => {
      lastLines = [...lastLines.slice(1 - LAST_LINES), line];
      onLine(line, stream);
    });
    service[stream].on("data", (chunk: Buffer) => lines.push(chunk));
    service[stream].on("end", () => lines.end());
    service[stream].on("error", () => lines.end());
  }
  return () => lastLines;
}

async function succeeds(exec: ServiceExec, ask: ExecSpec): Promise<boolean> {
  const question = await exec(ask);
  question.stdout.resume();
  question.stderr.resume();
  return (await question.result).exitCode === 0;
}

function failure(start: StartCommand, ending: string, exitCode: number, lastLines: readonly string[]): ServiceFailure {
  const asked = start.readyCommand === undefined ? "" : `; it was asked with ${JSON.stringify(start.readyCommand)}`;
  return { what: `the start command ${JSON.stringify(start.command)} ${ending}${asked}`, exitCode, lastLines };
}
