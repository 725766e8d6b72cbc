import { buffer } from "node:stream/consumers";
import type { ImageManifest } from "../../image/image-manifest";
import { toCanonicalManifest } from "../../image/inline-manifest";
import { allDigests, namedDigests } from "../../image/tree";
import type { OrgStore } from "../store/store";
import { type BlobStore, blobMissing } from "./blob-store";

/**
 * Takes a manifest in either form and makes sure that a build of it can find all its bytes.
 *
 * @throws invalid_input with all problems; blob_missing with `details.digests`, for the client to upload
 */
export async function takeManifest(org: OrgStore, blobs: BlobStore, input: unknown): Promise<ImageManifest> {
  const manifest = await toCanonicalManifest(input, (bytes) => blobs.putBytes(org, bytes));
  // First what it names: a tree must be here before anybody can say what is in it.
  await assertPresent(org, blobs, namedDigests(manifest));
  const readTree = async (digest: string) => buffer((await blobs.open(org, digest)).stream);
  await assertPresent(org, blobs, await allDigests(manifest, readTree));
  return manifest;
}

async function assertPresent(org: OrgStore, blobs: BlobStore, digests: readonly string[]): Promise<void> {
  const missing = await blobs.missing(org, digests);
  if (missing.length > 0) throw blobMissing(missing);
}
