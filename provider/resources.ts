import * as pulumi from "@pulumi/pulumi";
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
   * the content, so that a changed image is built before the old one goes. An explicit name is deleted first.
   */
  name?: pulumi.Input<string>;
  /** Limit of each build step in seconds. Default: the server's, 1800. */
  stepTimeoutSeconds?: pulumi.Input<number>;
}

/** What the server says of a snapshot, fixed once it is created. */
export interface SnapshotRecord {
  checkpointId: string;
  /** `ready`. */
  status: string;
  /** ISO 8601. */
  createdAt: string;
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

/** Inputs of a {@link Sandbox}. */
export interface SandboxArgs {
  /** Name of the snapshot to start from. Default: the plain base. */
  snapshot?: pulumi.Input<string>;
  /** Environment variables, over those of the image. Secret Outputs stay secret in the state. */
  envs?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  metadata?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Idle seconds after which the sandbox is stopped; 0 is never. Default 0. */
  timeout?: pulumi.Input<number>;
  /** Memory limit in MiB. Default: the server's, 4096. */
  memoryMB?: pulumi.Input<number>;
  /** Limit in CPUs. Default: the server's, 1. */
  cpuCount?: pulumi.Input<number>;
}

/**
 * A running sandbox, started from a snapshot.
 *
 * @example
 * const sandbox = new Sandbox("agent", { snapshot: snapshot.name, timeout: 3600 });
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
    const urn = toUrn(Sandbox.__pulumiType, name, options?.parent);
    super(
      Sandbox.__pulumiType,
      name,
      { __provider: providerText.sandbox, sandboxId: undefined, status: undefined, ...args, __source: toText({ urn }) },
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
