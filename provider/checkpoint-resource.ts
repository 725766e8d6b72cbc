import * as pulumi from "@pulumi/pulumi";
import type { CheckpointKind, CheckpointRetention } from "../src/api/records";
import { providerText } from "./dynamic";
import { toText, toUrn } from "./resource-source";

/** Inputs of a {@link Checkpoint}. */
export interface CheckpointArgs {
  /** The sandbox to keep, as `sandbox.id`. */
  sandbox: pulumi.Input<string>;
  /**
   * Unique among the checkpoints of its sandbox, at most 128 characters. Default: the logical name and seven digits that
   * follow kind and triggers, so that a new one is there before the old one goes.
   */
  name?: pulumi.Input<string>;
  /**
   * `disk_only` keeps files. `full` keeps memory and processes, too, where the server can (gVisor): sandboxes from it go on
   * where they were. Default `disk_only`.
   */
  kind?: pulumi.Input<CheckpointKind>;
  /**
   * Whatever should make a new checkpoint when it changes: versions, hashes, times. Not for secrets: an automatic name follows
   * them. Default: nothing does.
   */
  triggers?: pulumi.Input<pulumi.Input<unknown>[]>;
  /** What happens where the sandbox has 10 `full` or 100 `disk_only` checkpoints already. Default: an error. */
  retentionPolicy?: pulumi.Input<CheckpointRetention>;
  /** A server of `opencomputer:endpoints`, by its name there. Default: the stack's own server. */
  endpoint?: pulumi.Input<string>;
}

/**
 * What a sandbox is at the moment of the update: kept once, started from as often as wanted. It outlives its sandbox, and
 * sandboxes from it outlive it.
 *
 * @example
 * const warmed = new Checkpoint("warmed", { sandbox: sandbox.id, triggers: [snapshot.contentHash] });
 * const copy = new Sandbox("copy", { checkpoint: warmed.id });
 */
export class Checkpoint extends pulumi.CustomResource {
  /** The resource's type token; policy packs tell resources by it. */
  static readonly __pulumiType = "pulumi-nodejs:dynamic/opencomputer:Checkpoint";

  /** What the `checkpoint` of a sandbox and `Sandbox.createFromCheckpoint` of the SDK take. */
  declare readonly checkpointId: pulumi.Output<string>;
  declare readonly name: pulumi.Output<string>;
  declare readonly kind: pulumi.Output<CheckpointKind>;
  /** What it takes on disk by itself. */
  declare readonly sizeBytes: pulumi.Output<number>;
  /** `ready`. */
  declare readonly status: pulumi.Output<string>;
  /** ISO 8601. */
  declare readonly createdAt: pulumi.Output<string>;

  constructor(name: string, args: CheckpointArgs, options?: pulumi.CustomResourceOptions) {
    super(
      Checkpoint.__pulumiType,
      name,
      {
        __provider: providerText.checkpoint,
        ...Object.fromEntries(["name", "kind", ...SERVER_OUTPUTS].map((output) => [output, undefined])),
        ...args,
        __source: toText({ urn: toUrn(Checkpoint.__pulumiType, name, options?.parent) }),
      },
      // What only the server knows would show as removed in every plan that changes something.
      pulumi.mergeOptions({ hideDiffs: SERVER_OUTPUTS }, options),
    );
  }
}

const SERVER_OUTPUTS = ["checkpointId", "sizeBytes", "status", "createdAt"];
