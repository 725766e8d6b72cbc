import type { SnapshotInfo } from "../src/api/records";
import { contentHash, digestOf } from "../src/image/hash";
import { toCanonicalManifest } from "../src/image/inline-manifest";

/**
 * Whether a server's snapshot has this content. A server without versions is not ours and hashes in its own way; there
 * the manifest says it, as far as its form carries what an image is (no executable bits, links, empty directories).
 *
 * @param hash or its first digits
 */
export async function hasContent(snapshot: SnapshotInfo, hash: string): Promise<boolean> {
  if (snapshot.contentHash.startsWith(hash)) return true;
  if (snapshot.version !== undefined) return false;
  const keep = async (bytes: Uint8Array) => digestOf(bytes);
  const manifest = await toCanonicalManifest(snapshot.manifest, keep).catch(() => undefined);
  return manifest !== undefined && contentHash(manifest).startsWith(hash);
}
