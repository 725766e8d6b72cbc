import { buffer } from "node:stream/consumers";
import { invalidInput } from "../../errors";
import { formatSize } from "../../image/format-size";
import type { ImageManifest } from "../../image/image-manifest";
import { ImageSize } from "../../image/image-size";
import { toCanonicalManifest } from "../../image/inline-manifest";
import { type AddedFiles, addedFiles, namedDigests } from "../../image/tree";
import type { OrgStore } from "../store/store";
import { type BlobStore, blobMissing } from "./blob-store";

/** A tree is read whole: room for the most files that an image may have, with long names. */
const MAX_TREE_BYTES = 64 * 1024 * 1024;

/**
 * Takes a manifest in either form and makes sure that a build of it can find all its bytes, now and while a row names it.
 *
 * @throws invalid_input with all problems; blob_missing with `details.digests`, for the client to upload
 */
export async function takeManifest(org: OrgStore, blobs: BlobStore, input: unknown): Promise<ImageManifest> {
  const manifest = await toCanonicalManifest(input, (bytes) => blobs.putBytes(org, bytes));
  // First what it names: a tree must be here before anybody can say what is in it.
  const named = namedDigests(manifest);
  await assertPresent(org, blobs, named);
  const added = await addedFiles(manifest, (digest) => readTree(org, blobs, digest));
  const digests = [...new Set([...named, ...added.flatMap(({ files }) => files.map(({ digest }) => digest))])];
  await assertPresent(org, blobs, digests);
  await assertSize(org, added, digests);
  await blobs.keepFor(org, manifest, digests);
  return manifest;
}

async function assertPresent(org: OrgStore, blobs: BlobStore, digests: readonly string[]): Promise<void> {
  const { missing } = await blobs.missing(org, digests);
  if (missing.length > 0) throw blobMissing(missing);
}

async function readTree(org: OrgStore, blobs: BlobStore, digest: string): Promise<Buffer> {
  const { sizeBytes, stream } = await blobs.open(org, digest);
  if (sizeBytes <= MAX_TREE_BYTES) return await buffer(stream);
  stream.destroy();
  const message = `has ${formatSize(sizeBytes)}, more than the ${formatSize(MAX_TREE_BYTES)} of a tree`;
  throw invalidInput("the image manifest", [{ path: digest, message }]);
}

async function assertSize(org: OrgStore, added: readonly AddedFiles[], digests: readonly string[]): Promise<void> {
  const sizes = new Map((await org.findBlobs(digests)).map((row) => [row.digest, row.sizeBytes]));
  const size = new ImageSize();
  for (const { path, files } of added) {
    const sized = files.map((file) => ({ path: file.path, sizeBytes: sizes.get(file.digest) ?? 0 }));
    size.take(path, sized);
  }
  const problems = size.problems().map((message) => ({ path: "steps", message }));
  if (problems.length > 0) throw invalidInput("the image manifest", problems);
}
