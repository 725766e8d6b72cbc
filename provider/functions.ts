import * as pulumi from "@pulumi/pulumi";
import { invalidInput, isOpenComputerError, OpenComputerError } from "../src/errors";
import { type ProviderConfig, readConfig } from "./config";
import { connectTo } from "./connections";
import { type SnapshotResult, toSnapshotResult } from "./snapshot-result";

export type { SnapshotResult };

/** Which snapshot: one of `name` and `ref`. */
export interface GetSnapshotArgs {
  /** Its current version. */
  readonly name?: string;
  /** One version: `name@3`, `name@<8 or more digits of the contentHash>`, `name:tag`. */
  readonly ref?: string;
  /** A server of `opencomputer:endpoints`. Default: the stack's own server. */
  readonly endpoint?: string;
}

export interface ListSnapshotsArgs {
  /** Only those that have all of these. Default: all. */
  readonly labels?: Readonly<Record<string, string>>;
  /** A server of `opencomputer:endpoints`. Default: the stack's own server. */
  readonly endpoint?: string;
}

/**
 * Looks a snapshot up while the program runs, in a preview, too.
 *
 * @throws not_found; invalid_input where the stack's configuration or the arguments are wrong
 * @example
 * const base = await getSnapshot({ name: "team-base" });
 * new Sandbox("agent", { snapshot: base.ref });
 */
export async function getSnapshot({ name, ref, endpoint }: GetSnapshotArgs): Promise<SnapshotResult> {
  return await withoutStack("getSnapshot", async () => {
    const which = ref ?? name;
    if (which === undefined || (ref !== undefined && name !== undefined)) {
      throw invalidInput("the call", [{ path: "", message: "needs either name or ref" }]);
    }
    return toSnapshotResult(await (await connectFor(endpoint)).getSnapshot(which));
  });
}

/** As {@link getSnapshot}, of arguments that are known later. */
export function getSnapshotOutput(args: Wrapped<GetSnapshotArgs>): pulumi.Output<SnapshotResult> {
  return pulumi.output(args).apply((known) => getSnapshot(known as GetSnapshotArgs));
}

/**
 * The current versions of all names, or of those with certain labels, newest first.
 *
 * @throws invalid_input where the stack's configuration is wrong
 * @example (await listSnapshots({ labels: { team: "data" } })).map(({ name }) => name); // ["data-science"]
 */
export async function listSnapshots({ labels, endpoint }: ListSnapshotsArgs = {}): Promise<SnapshotResult[]> {
  return await withoutStack("listSnapshots", async () => {
    const api = await connectFor(endpoint);
    return (await api.listSnapshots(labels === undefined ? {} : { labels })).map(toSnapshotResult);
  });
}

/** As {@link listSnapshots}, of arguments that are known later. */
export function listSnapshotsOutput(args: Wrapped<ListSnapshotsArgs> = {}): pulumi.Output<SnapshotResult[]> {
  return pulumi.output(args).apply((known) => listSnapshots(known as ListSnapshotsArgs));
}

type Wrapped<T> = { readonly [Key in keyof T]: pulumi.Input<T[Key]> };

function connectFor(endpoint: string | undefined) {
  const log = { status: (line: string) => void pulumi.log.info(line, undefined, undefined, true), warn };
  return connectTo(stackConfig(), endpoint, log);
}

function warn(line: string): void {
  void pulumi.log.warn(line);
}

/** Secrets come as plain text; only the client sees them. */
function stackConfig(): ProviderConfig {
  const config = new pulumi.Config("opencomputer");
  return readConfig((key) => config.get(key));
}

/**
 * What a program does not catch, Pulumi prints with all that is in it; of a `RunError` it prints the message. It tells
 * one by this member, so that ours keeps its code for a program that does catch it. Once the program's text has run, it
 * prints the stack of either, where there is one; the cause has it.
 */
async function withoutStack<T>(call: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isOpenComputerError(error)) throw error;
    const { code, message, details, retryable } = error;
    const told = new OpenComputerError(code, `${call}: ${message}`, { details, retryable, cause: error });
    throw Object.defineProperties(told, { __pulumiRunError: { value: true }, stack: { value: "" } });
  }
}
