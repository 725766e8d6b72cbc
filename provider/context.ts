import type { Api } from "../src/api/contract";
import type { BuildLogEvent } from "../src/api/records";
import type { BlobSource } from "../src/image/local-files";

/**
 * What a handler may use, and all of it: handlers have no clock, environment, file system or network of their own, so
 * both hosts (dynamic now, a native plugin later) run the same ones.
 */
export interface HandlerContext {
  readonly api: Api;
  /** Whose life this is; empty where it is not known (a delete of what an earlier version recorded). */
  readonly urn: string;
  readonly log: ResourceLog;
  /** Where the bytes of a digest are on the machine that runs the program. */
  readonly findBlob: (digest: string) => BlobSource | undefined;
  readonly signal: AbortSignal;
}

/** Lines on the resource's own row of the Pulumi display. */
export interface ResourceLog {
  /** Replaces the row's status; gone when the operation is over. */
  status(line: string): void;
  /** A status line from a command's output: the display may leave out what comes faster than people read. */
  output(line: string): void;
  /** Stays, under the resource, in the diagnostics. */
  info(line: string): void;
  warn(line: string): void;
}

/** Inputs and outputs as the engine hands them over: JSON, with {@link UNKNOWN} for what is not known in a preview. */
export type Properties = Readonly<Record<string, unknown>>;

export interface CheckResult {
  readonly inputs: Properties;
  readonly failures: readonly CheckFailure[];
}

export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

export interface DiffResult {
  readonly changes: boolean;
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace: boolean;
}

export interface CreateResult {
  readonly id: string;
  readonly outs: Properties;
}

/** A resource's life, told in order. */
export interface ResourceHandlers {
  /** Validates, and computes what a preview must know. Reports all failures at once. */
  check(context: Pick<HandlerContext, "log" | "urn">, olds: Properties, news: Properties): CheckResult;
  /** What a change of inputs does. `olds` are the recorded outputs. */
  diff(context: Pick<HandlerContext, "log" | "urn">, olds: Properties, news: Properties): DiffResult;
  create(context: HandlerContext, inputs: Properties): Promise<CreateResult>;
  /** Undefined where the resource is gone; an error where that could not be told. */
  read(context: HandlerContext, id: string, outs: Properties): Promise<Properties | undefined>;
  update(context: HandlerContext, id: string, olds: Properties, news: Properties): Promise<Properties>;
  delete(context: HandlerContext, id: string, outs: Properties): Promise<void>;
}

/** How the engine spells a value that is not known in a preview, whatever its type. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** True where a value, or anything inside it, is not known yet. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasUnknown);
}

/** Without the internal members (`__…`), which are inputs of ours and no outputs of anybody. */
export function visible(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => !key.startsWith("__")));
}

/**
 * Shows a build on the resource's row: each step, and what its command prints. Of an image that holds a secret of the
 * program, only how far it is.
 */
export function showBuild(log: ResourceLog, secret = false): (event: BuildLogEvent) => void {
  return ({ type, message, stream }) => {
    if (type === "resolve" || type === "create") return log.status(message);
    const isMilestone = stream === undefined && (MILESTONES.has(type) || /^step \d+\/\d+\b/.test(message));
    if (!isMilestone) return secret ? undefined : log.output(message);
    // Milestones stay: they are the progress where the row has no room, and with their times the record of the build.
    log.info(secret ? message.replace(/: .*/s, "") : message);
  };
}

const MILESTONES: ReadonlySet<string> = new Set(["build", "checkpoint", "cache_hit"]);
