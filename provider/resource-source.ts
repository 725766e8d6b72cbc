import * as pulumi from "@pulumi/pulumi";
import { isOpenComputerError } from "../src/errors";
import { isImage, type ResolvedImage } from "../src/image/image";
import type { ImageManifest } from "../src/image/image-manifest";
import { spool } from "./blob-spool";

/**
 * The hidden input: the URN, which Pulumi tells no dynamic provider, and the image's manifest, as one text. Unknown
 * while the image is. A tree of properties would be walked by four processes, and made into promises by this one.
 */
export function toSource(
  resource: string,
  urn: pulumi.Input<string>,
  image: unknown,
): Record<string, pulumi.Input<unknown>> {
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
export function toText(source: Record<string, unknown>): pulumi.Input<string> {
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
export function toUrn(type: string, name: string, parent: pulumi.Resource | undefined): pulumi.Input<string> {
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
