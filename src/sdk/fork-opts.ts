import type { ForkManyRequest, ForkRequest } from "../api/contract";
import type { CheckpointKind } from "../api/records";
import { OpenComputerError } from "../errors";
import type { ConnectionOptions } from "./connection";

/** What a sandbox from a checkpoint has on top of what the checkpointed one had. */
export interface ForkOpts {
  /** Environment of every command from now on; processes that were running keep what they had. */
  readonly envs?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Idle seconds after which the sandbox is hibernated. Default 0: never. */
  readonly timeout?: number;
  /** Default: that of the checkpointed sandbox. */
  readonly memoryMB?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface ForkManyOpts extends ForkOpts {
  /** Default: `full` (memory and processes, too) where the server can, else `disk_only`. */
  readonly kind?: CheckpointKind;
}

export interface FromCheckpointOpts extends ForkOpts, ConnectionOptions {}

/** The request that options stand for. @throws unsupported for what no server of ours does */
export function toForkRequest(what: string, options: ForkOpts): ForkRequest {
  if ("secretStore" in options && options.secretStore) {
    throw new OpenComputerError("unsupported", `${what} does not support secretStore; leave it out`);
  }
  const { envs, metadata, timeout, memoryMB, tags } = options;
  const fields = Object.entries({ envs, metadata, timeout, memoryMB, tags });
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

/** As {@link toForkRequest}, for several at once. */
export function toForkManyRequest(count: number, options: ForkManyOpts): ForkManyRequest {
  const { kind } = options;
  return { count, ...(kind ? { kind } : {}), ...toForkRequest("sandbox.fork", options) };
}
