import { toCanonicalManifest } from "../../image/inline-manifest";
import type { ImageManifest } from "../../image/manifest";
import type { OrgStore } from "../store/store";
import { type BlobStore, blobMissing } from "./blob-store";

/**
 * Takes a manifest in either form and makes sure that a build of it can find all its bytes.
 *
 * @throws invalid_input with all problems; blob_missing with `details.digests`, for the client to upload
 */
export async function takeManifest(org: OrgStore, blobs: BlobStore, input: unknown): Promise<ImageManifest> {
  const manifest = await toCanonicalManifest(input, (bytes) => blobs.putBytes(org, bytes));
  const missing = await blobs.missing(org, fileDigests(manifest));
  if (missing.length > 0) throw blobMissing(missing);
  return manifest;
}

function fileDigests(manifest: ImageManifest): string[] {
  return manifest.steps.flatMap((step) => {
    if (step.type === "add_file") return [step.args.digest];
    if (step.type !== "add_dir") return [];
    return step.args.entries.flatMap((entry) => (entry.kind === "file" ? [entry.digest] : []));
  });
}
