import * as pulumi from "@pulumi/pulumi";
import type { NetworkPolicy, Retention } from "../src/api/records";
import type { Image } from "../src/image/image";
import { providerText } from "./dynamic";
import { toSource, toText, toUrn } from "./resource-source";

/** Inputs of a {@link Snapshot}. */
export interface SnapshotArgs {
  /** What the snapshot contains. An image that depends on other resources is an Output of one: `url.apply((u) => Image…)`. */
  image: pulumi.Input<Image>;
  /**
   * Unique in the organisation: letters, digits, `.`, `_`, `-`. Default: the logical name and seven digits that follow
   * the content, so that a changed image is built before the old one goes. Under an explicit name, a changed image becomes
   * the next version: built first, then the name moves to it at once.
   */
  name?: pulumi.Input<string>;
  /** At most 50, for people and for `listSnapshots`. Those of `opencomputer:defaultLabels` are added. Default: none. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** How long superseded versions of an explicit name stay for a rollback. Default: the newest one, for ever. */
  retention?: pulumi.Input<Retention>;
  /**
   * How many sandboxes of the current version the server keeps started ahead, 0 to 100, for those who ask for one of the
   * default size. Each takes memory. Default 0.
   */
  warmPool?: pulumi.Input<number>;
  /** Memory of the build sandbox in MiB, 256 to 262,144; not part of the identity. Default: the image's own. */
  builderMemoryMB?: pulumi.Input<number>;
  /** Limit of each build step in seconds. Default: the server's, 1800. */
  stepTimeoutSeconds?: pulumi.Input<number>;
  /** Limit of the whole build in seconds. Default: none beyond its steps'. */
  buildTimeoutSeconds?: pulumi.Input<number>;
  /** Whether to take over a snapshot of this name that is there already. Default: false, which is an error then. */
  adopt?: pulumi.Input<boolean>;
  /** A server of `opencomputer:endpoints`, by its name there. Default: the stack's own server. */
  endpoint?: pulumi.Input<string>;
}

/** What the server says of a snapshot, fixed once it is created. */
export interface SnapshotRecord {
  checkpointId: string;
  /** `ready`. */
  status: string;
  /** ISO 8601. */
  createdAt: string;
  /** Counted from 1, where the server has versions. */
  version?: number;
}

/**
 * A named checkpoint of an image: built once, step by step, on the first `pulumi up`, and again only from the step that
 * changed. Its identity is known in a preview, and so is what a change will rebuild.
 *
 * @example
 * const snapshot = new Snapshot("data-science", { image: Image.base().pipInstall(["pandas"]) });
 * export const name = snapshot.name; // data-science-3f2a91c
 */
export class Snapshot extends pulumi.CustomResource {
  /** The resource's type token; policy packs tell resources by it. */
  static readonly __pulumiType = "pulumi-nodejs:dynamic/opencomputer:Snapshot";

  declare readonly name: pulumi.Output<string>;
  /** 64 hex digits: the identity of the image (`image.cacheKey()`). */
  declare readonly contentHash: pulumi.Output<string>;
  /** What the server says of it. */
  declare readonly record: pulumi.Output<SnapshotRecord>;

  /**
   * `name@<first 12 digits of contentHash>`: this very content, whatever the name means later. A sandbox that starts from it
   * follows a changed image; one that starts from `name` does so only where the name changes, too.
   */
  get ref(): pulumi.Output<string> {
    // Made when it is asked for: every property costs time, and old states have none of this name.
    return pulumi.all([this.name, this.contentHash]).apply(([name, hash]) => `${name}@${hash.slice(0, 12)}`);
  }

  constructor(name: string, args: SnapshotArgs, options?: pulumi.CustomResourceOptions) {
    const { image, ...rest } = args ?? {};
    const urn = toUrn(Snapshot.__pulumiType, name, options?.parent);
    // Every property costs time (Pulumi makes four promises of each): what belongs together is one, what is hidden, too.
    super(
      Snapshot.__pulumiType,
      name,
      {
        __provider: providerText.snapshot,
        name: undefined,
        contentHash: undefined,
        record: undefined,
        ...rest,
        ...toSource(`Snapshot ${name}`, urn, image),
      },
      // What only the server knows would show as removed in every plan that changes something.
      pulumi.mergeOptions({ hideDiffs: ["record"] }, options),
    );
  }
}

/** When a new sandbox counts as ready. */
export interface ReadyCheck {
  /** Shell, repeated in the sandbox until it exits with 0. */
  command: pulumi.Input<string>;
  /** 1 to 3600. Default 60; after that the sandbox is stopped and the update fails with the command's last output. */
  timeoutSeconds?: pulumi.Input<number>;
}

/** Inputs of a {@link Sandbox}. */
export interface SandboxArgs {
  /** The snapshot to start from: `snapshot.ref`, `snapshot.name`, `name@3`, `name:tag`. Default: the plain base. */
  snapshot?: pulumi.Input<string>;
  /** Instead of a snapshot, an image that is built for this sandbox where it is not built yet. */
  image?: pulumi.Input<Image>;
  /**
   * Instead of either, a checkpoint, as `checkpoint.id`: what the sandbox that was kept had is there, and what is given here
   * goes on top. Size in CPUs and network are those of that sandbox.
   */
  checkpoint?: pulumi.Input<string>;
  /** Environment variables, over those of the image. Secret Outputs stay secret in the state. */
  envs?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Facts that stay as they are while it lives. */
  metadata?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** At most 50, which can change while it lives. Those of `opencomputer:defaultTags` are added. Default: none. */
  tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Idle seconds after which the sandbox hibernates, until the next command wakes it; 0 is never. Default 0. */
  timeout?: pulumi.Input<number>;
  /** Memory limit in MiB. Default: the server's, 4096. */
  memoryMB?: pulumi.Input<number>;
  /** Limit in CPUs. Default: the server's, 1. */
  cpuCount?: pulumi.Input<number>;
  /** What it reaches: `none`, `egress`, or `{ allow: ["pypi.org"] }`. Default: the server's, `egress`. */
  network?: pulumi.Input<NetworkPolicy>;
  /** What must succeed in it before it counts as created. Default: nothing. */
  readyCheck?: pulumi.Input<ReadyCheck>;
  /**
   * What follows its end, once a refresh has seen that: `onExpiry` (default), the next update makes a new one; `never`, it
   * stays as it is, `stopped`.
   */
  recreate?: pulumi.Input<"onExpiry" | "never">;
  /** A server of `opencomputer:endpoints`, by its name there. Default: the stack's own server. */
  endpoint?: pulumi.Input<string>;
}

/**
 * A sandbox, started from a snapshot, an image or a checkpoint.
 *
 * @example
 * const sandbox = new Sandbox("agent", { snapshot: snapshot.ref, timeout: 3600 });
 * export const sandboxId = sandbox.sandboxId; // sb-1f0c…
 */
export class Sandbox extends pulumi.CustomResource {
  /** The resource's type token; policy packs tell resources by it. */
  static readonly __pulumiType = "pulumi-nodejs:dynamic/opencomputer:Sandbox";

  /** What `Sandbox.connect` of the SDK and `pulumi-opencomputer exec` take. */
  declare readonly sandboxId: pulumi.Output<string>;
  declare readonly snapshot: pulumi.Output<string | undefined>;
  declare readonly timeout: pulumi.Output<number | undefined>;
  declare readonly status: pulumi.Output<string>;

  constructor(name: string, args: SandboxArgs = {}, options?: pulumi.CustomResourceOptions) {
    const { image, ...rest } = args;
    const urn = toUrn(Sandbox.__pulumiType, name, options?.parent);
    super(
      Sandbox.__pulumiType,
      name,
      {
        __provider: providerText.sandbox,
        sandboxId: undefined,
        status: undefined,
        ...rest,
        ...(image === undefined ? { __source: toText({ urn }) } : toSource(`Sandbox ${name}`, urn, image)),
      },
      pulumi.mergeOptions({ hideDiffs: ["sandboxId", "status"] }, options),
    );
  }
}
