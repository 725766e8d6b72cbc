import { join } from "node:path";

/** Where the bytes of a digest lie in the folder of blobs: `sha256/<aa>/<hex>`. */
export function blobPath(blobDir: string, digest: string): string {
  const hex = digest.slice("sha256:".length);
  return join(blobDir, "sha256", hex.slice(0, 2), hex);
}
