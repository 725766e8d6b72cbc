import type { Readable } from "node:stream";
import type { Execution } from "../engine";
import { type LayerJob, stepError } from "./build-layer";
import type { ContainerDeps } from "./container";
import { execInContainer } from "./container-exec";
import { createLineSplitter } from "./line-splitter";
import { readAtMost } from "./read-at-most";
import type { StepCommand, StepContext } from "./steps/step-context";

interface StepContainer {
  readonly deps: ContainerDeps;
  readonly dir: string;
  readonly job: LayerJob;
  readonly signal: AbortSignal;
  readonly downloads: Pick<StepContext, "wasLent" | "lendArchive" | "sealLists" | "distrustResponses">;
}

/** How many lines of output stand in the error of a failed step. */
const LAST_LINES = 20;
/** What a command of ours may answer. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Lets a step work in its container, its output going to the build log. */
export function createStepContext(container: StepContainer): StepContext {
  const { job } = container;
  const lastLines: string[] = [];
  const keep = (line: string, stream: "stdout" | "stderr") => {
    lastLines.push(line);
    if (lastLines.length > LAST_LINES) lastLines.shift();
    job.log(line, stream);
  };
  const fail = (what: string, exitCode: number) => {
    const ending = exitCode === -1 ? "was killed" : `exited with code ${exitCode}`;
    return stepError(job, `${what} ${ending}`, exitCode, lastLines);
  };
  const context: StepContext = {
    env: job.below.env,
    workdir: job.below.workdir,
    signal: container.signal,
    openBlob: job.openBlob,
    ...container.downloads,
    log: (message) => job.log(message),
    fail,
    async run(command) {
      const execution = await start(container, command);
      for (const stream of ["stdout", "stderr"] as const) {
        readLines(execution[stream], (line) => {
          if (command.onLine?.(line, stream) ?? true) keep(line, stream);
        });
      }
      return (await execution.result).exitCode;
    },
    async ask(argv, stdin) {
      const execution = await start(container, { argv, ...(stdin ? { stdin } : {}) });
      readLines(execution.stderr, (line) => keep(line, "stderr"));
      const said = await readAtMost(execution.stdout, MAX_ANSWER_BYTES, () => void execution.kill(9));
      const { exitCode } = await execution.result;
      if (said === null) throw stepError(job, `${argv[0]} printed more than ${MAX_ANSWER_BYTES} bytes`, -1, lastLines);
      if (exitCode !== 0) throw fail(argv[0], exitCode);
      return said.toString("utf8");
    },
  };
  return context;
}

async function start({ deps, dir, signal }: StepContainer, command: StepCommand): Promise<Execution> {
  return execInContainer(deps, dir, {
    argv: command.argv,
    env: command.env ?? {},
    cwd: command.cwd ?? "/",
    user: "root",
    timeoutMs: 0,
    signal,
    ...(command.stdin ? { stdin: command.stdin } : {}),
  });
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  const lines = createLineSplitter(onLine);
  stream.on("data", (chunk: Buffer) => lines.push(chunk));
  stream.on("end", () => lines.end());
}
