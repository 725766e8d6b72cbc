import type { Api, ServerApi } from "../src/api/contract";
import type { BlobSource } from "../src/image/local-files";
import type { ProviderConfig } from "./config";

/** What a handler may use while it only plans. */
export interface PlanContext {
  /** Whose life this is; empty where it is not known (a read, a delete). */
  readonly urn: string;
  readonly log: ResourceLog;
  /** The stack's configuration. */
  readonly config: ProviderConfig;
}

/**
 * What a handler may use, and all of it: handlers have no clock, environment, file system or network of their own, so
 * every host runs the same ones.
 */
export interface HandlerContext extends PlanContext {
  /** The server of the resource's `endpoint`. What only our own server offers is used only where its answers show it. */
  readonly api: Api & Pick<ServerApi, "updateSnapshot" | "getCheckpoint">;
  /** Where the bytes of a digest are on the machine that runs the program. */
  readonly findBlob: (digest: string) => BlobSource | undefined;
  /** Fires when the operation is cancelled, or when nobody is there any more who waits for it. */
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
  check(context: PlanContext, olds: Properties, news: Properties): CheckResult;
  /** What a change of inputs does. `olds` are the recorded outputs. */
  diff(context: PlanContext, olds: Properties, news: Properties): DiffResult;
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
