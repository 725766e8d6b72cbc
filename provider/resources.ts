import * as pulumi from "@pulumi/pulumi";
import type { NetworkPolicy, Retention } from "../src/api/records";
import { isOpenComputerError } from "../src/errors";
import { type Image, isImage, type ResolvedImage } from "../src/image/image";
import type { ImageManifest } from "../src/image/image-manifest";
import { spool } from "./blob-spool";
import { providerText } from "./dynamic";

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
  /** Environment variables, over those of the image. Secret Outputs stay secret in the state. */
  envs?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Facts that stay as they are while it lives. */
  metadata?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** At most 50, which can change while it lives. Those of `opencomputer:defaultTags` are added. Default: none. */
  tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Idle seconds after which the sandbox is stopped; 0 is never. Default 0. */
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
 * A running sandbox, started from a snapshot.
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

/**
 * The hidden input: the URN, which Pulumi tells no dynamic provider, and the image's manifest, as one text. Unknown
 * while the image is. A tree of properties would be walked by four processes, and made into promises by this one.
 */
function toSource(resource: string, urn: pulumi.Input<string>, image: unknown): Record<string, pulumi.Input<unknown>> {
  // pulumi.output would take an Image for a map of inputs and strip its methods: it is unwrapped by hand.
  if (!pulumi.Output.isInstance(image)) {
    const manifest = image instanceof Promise ? image.then((value) => note(resource, value)) : note(resource, image);
    return { __source: toText({ urn, manifest }) };
  }
  const manifest = image.apply((value) => note(resource, value));
  return {
    // What check makes of the manifest is as secret as the manifest: Pulumi knows that by the names of inputs.
    steps: manifest.apply(() => []),
    files: manifest.apply(() => ({})),
    __source: toText({ urn, manifest, secret: pulumi.isSecret(manifest) }),
  };
}

/** An image that is at hand becomes plain text: each Output costs time, and a program may have hundreds of snapshots. */
function toText(source: Record<string, unknown>): pulumi.Input<string> {
  const isPlain = Object.values(source).every(
    (value) => !pulumi.Output.isInstance(value) && !(value instanceof Promise),
  );
  return isPlain ? JSON.stringify(source) : pulumi.output(source).apply((known) => JSON.stringify(known));
}

/** In a preview nobody reads the files again. */
function note(resource: string, image: unknown): ImageManifest | Promise<ImageManifest> {
  const { manifest, findBlob } = resolveImage(resource, image);
  if (pulumi.runtime.isDryRun()) return manifest;
  return spool()
    .note(manifest, findBlob)
    .then(() => manifest);
}

/** The URN that the engine will give; without a parent it needs no Output. */
function toUrn(type: string, name: string, parent: pulumi.Resource | undefined): pulumi.Input<string> {
  if (parent !== undefined) return pulumi.createUrn(name, type, parent);
  return `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::${type}::${name}`;
}

/** A mistake in the program is told as one: without a stack that leads into this package. */
function resolveImage(resource: string, image: unknown): ResolvedImage {
  if (!isImage(image)) {
    const got = image === null ? "null" : typeof image;
    throw new pulumi.RunError(
      `${resource}: image must be an Image such as Image.base().aptInstall(["jq"]); got ${got}`,
    );
  }
  try {
    return image.resolve();
  } catch (error) {
    if (isOpenComputerError(error, "invalid_input")) throw new pulumi.RunError(`${resource}: ${error.message}`);
    throw error;
  }
}
