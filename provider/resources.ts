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

/** Step of an image as a plan shows it. */
export interface StepSummary {
  op: string;
  summary: string;
  digest: string;
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
  declare readonly steps: pulumi.Output<StepSummary[]>;
  /** Path in the image to digest of the content, for every file that the image adds. */
  declare readonly files: pulumi.Output<Record<string, string>>;
  declare readonly snapshotId: pulumi.Output<string>;
  declare readonly checkpointId: pulumi.Output<string>;
  /** `ready` once it is created. */
  declare readonly status: pulumi.Output<string>;
  /** ISO 8601. */
  declare readonly createdAt: pulumi.Output<string>;

  constructor(name: string, args: SnapshotArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = ["contentHash", "steps", "files", "snapshotId", "checkpointId", "status", "createdAt"];
    super(
      Snapshot.__pulumiType,
      name,
      {
        __provider: providerText.snapshot,
        ...Object.fromEntries(outputs.map((key) => [key, undefined])),
        name: args.name,
        stepTimeoutSeconds: args.stepTimeoutSeconds,
        ...toManifestInputs(`Snapshot ${name}`, args?.image),
        __urn: toUrn(Snapshot.__pulumiType, name, options?.parent),
      },
      // Outputs that only the server knows would show as removed in every plan that changes something.
      pulumi.mergeOptions({ hideDiffs: ["snapshotId", "checkpointId", "status", "createdAt"] }, options),
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
      { __provider: providerText.sandbox, sandboxId: undefined, status: undefined, ...args, __urn: urn },
      pulumi.mergeOptions({ hideDiffs: ["sandboxId", "status"] }, options),
    );
  }
}

/**
 * The image's manifest, and a note for the provider's process where its files are. Unknown while the image is.
 *
 * An image that is at hand becomes plain inputs: each Output costs time, and a program may have hundreds of snapshots.
 */
function toManifestInputs(resource: string, image: unknown): Record<string, pulumi.Input<unknown>> {
  // pulumi.output would take an Image for a map of inputs and strip its methods: it is unwrapped by hand.
  if (image instanceof Promise) return { __manifest: image.then((value) => note(resolveImage(resource, value))) };
  if (!pulumi.Output.isInstance(image)) return { __manifest: note(resolveImage(resource, image)) };
  const manifest = image.apply((value) => note(resolveImage(resource, value)));
  return {
    // What check makes of the manifest is as secret as the manifest: Pulumi knows that by the names of inputs.
    steps: manifest.apply(() => []),
    files: manifest.apply(() => ({})),
    __manifest: manifest,
    __secret: pulumi.isSecret(manifest),
  };
}

function note({ manifest, findBlob }: ResolvedImage): ImageManifest | Promise<ImageManifest> {
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
