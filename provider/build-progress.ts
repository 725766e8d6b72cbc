import type { BuildLogEvent } from "../src/api/records";
import { isOpenComputerError, OpenComputerError } from "../src/errors";
import type { LogLevel } from "./config";
import type { ResourceLog } from "./context";

/** A build on the resource's row. */
export interface BuildProgress {
  readonly onBuildLog: (event: BuildLogEvent) => void;
  /** Leaves one line that says what the build took, step by step; nothing where nothing was built. */
  summarise(): void;
}

/** What to show of a build. */
export interface BuildProgressOptions {
  readonly logLevel: LogLevel;
  /** Of an image that holds a secret of the program, only how far it is. */
  readonly secret: boolean;
}

/**
 * Shows a build on the resource's row: each step as its status, and what its command prints. The row's status passes; a
 * display without rows prints it as lines.
 */
export function showBuild(log: ResourceLog, { logLevel, secret }: BuildProgressOptions): BuildProgress {
  const taken: string[] = [];
  let cached = 0;
  const noteStep = (message: string) => {
    const [, number, seconds] = /^step (\d+)\/\d+ completed in ([\d.]+ s)$/.exec(message) ?? [];
    if (number !== undefined) taken.push(`step ${number} took ${seconds}`);
    else if (message.endsWith(" (cached)")) cached += 1;
    else return false;
    return true;
  };
  return {
    onBuildLog({ type, message, stream }) {
      const isOutput = stream !== undefined || !(STAGES.has(type) || /^step \d+\/\d+\b/.test(message));
      const isOver = !isOutput && noteStep(message);
      if (logLevel === "quiet" || (secret && isOutput)) return;
      if (logLevel === "full") log.info(secret ? withoutSummary(message) : message);
      else if (isOutput) log.output(message);
      else if (!isOver) log.status(secret ? withoutSummary(message) : message);
    },
    summarise() {
      if (taken.length > 0 && logLevel !== "quiet") log.info(`built: ${[...taken, `${cached} cached`].join(", ")}`);
    },
  };
}

/** Events of the build as a whole. */
const STAGES: ReadonlySet<string> = new Set([
  "upload",
  "resolve",
  "create",
  "queue",
  "build",
  "checkpoint",
  "cache_hit",
]);

function withoutSummary(message: string): string {
  return message.replace(/: .*/s, "");
}

/** Says what to do about a build that did not come to its end. */
export function explainFailure(error: unknown): unknown {
  if (!isOpenComputerError(error)) return error;
  const { code, details, retryable } = error;
  const advice = code === "build_failed" ? whereItsLogIs(details["buildId"]) : ADVICE.get(code);
  if (advice === undefined) return error;
  return new OpenComputerError(code, `${error.message}\n${advice}`, { details, retryable, cause: error });
}

const GO_ON = "the steps that passed are kept: the next update goes on after them";
const ADVICE = new Map<string, string>([
  ["aborted", GO_ON],
  ["unavailable", GO_ON],
]);

/** By the build's id: the name means its current version, whose build went well. A server without logs names none. */
function whereItsLogIs(buildId: unknown): string | undefined {
  return typeof buildId === "string" ? `the whole log: pulumi-opencomputer logs ${buildId.slice(0, 8)}` : undefined;
}
