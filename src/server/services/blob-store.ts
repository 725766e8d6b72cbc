import { access, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { OpenedBlob } from "../../engines/engine";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import { makeFolders } from "../../folders";
import { contentHash, digestOf } from "../../image/hash";
import type { ImageManifest } from "../../image/image-manifest";
import { blobPath } from "../store/blob-path";
import type { OrgStore } from "../store/store";
import type { ActivityGate } from "./activity-gate";
import { type Arrival, IncomingFiles } from "./incoming-files";
import type { Quotas } from "./quotas";
import { verifiedBytes } from "./verified-bytes";

/** What of an image's bytes is not here. */
export interface Missing {
  /** In the order asked. */
  readonly missing: readonly string[];
  /** How many bytes of a missing digest came before an upload of it was cut: the rest is enough. */
  readonly arrived: Readonly<Record<string, number>>;
}

/** Bytes that come under a digest, and how many were said to come: 0 where nothing was said. */
export type BlobUpload = Omit<Arrival, "orgId"> & { readonly announcedBytes: number };

/**
 * Bytes by digest, in `<home>/blobs/sha256/<aa>/<hex>`. One file serves all organisations that brought the same bytes;
 * who may use it is told by the rows, so that knowing a digest gives nobody another's file.
 *
 * Collection runs alone: whatever is said to be here, or brought, goes through the gate, and its touched row keeps it.
 */
export class BlobStore {
  private readonly incoming: IncomingFiles;

  constructor(
    private readonly dir: string,
    private readonly now: () => number,
    private readonly gate: ActivityGate,
    private readonly quotas: Quotas,
  ) {
    this.incoming = new IncomingFiles(dir);
  }

  /** Those of the digests that the organisation has not brought. */
  async missing(org: OrgStore, digests: readonly string[]): Promise<Missing> {
    const known = await this.use(() => this.touchPresent(org, digests));
    const missing = [...new Set(digests)].filter((digest) => !known.has(digest));
    return { missing, arrived: await this.incoming.arrived(org.orgId, missing) };
  }

  /**
   * Stores a stream under its digest, verified while it is written; nothing becomes visible before it is synced.
   *
   * @throws invalid_input where the bytes have another digest, naming both; conflict where they cannot be continued at
   *   the offset; aborted where they end too early; quota_exceeded
   */
  async put(org: OrgStore, { announcedBytes, ...upload }: BlobUpload): Promise<void> {
    const { digest, offset } = upload;
    await this.quotas.addStored(org, announcedBytes);
    await this.incoming.receive({ ...upload, orgId: org.orgId }, (path, sizeBytes) =>
      this.use(async () => {
        failpoint("blob.received");
        await this.quotas.addStored(org, Math.max(0, sizeBytes - offset - announcedBytes));
        await this.publish(path, digest);
        failpoint("blob.published");
        await org.touchBlobs([{ digest, sizeBytes }], this.now());
      }),
    );
  }

  /** Stores bytes that are at hand and returns their digest. */
  async putBytes(org: OrgStore, bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes);
    const isHere = await this.use(async () => {
      if (!(await exists(this.pathOf(digest)))) return false;
      await org.touchBlobs([{ digest, sizeBytes: bytes.byteLength }], this.now());
      return true;
    });
    if (!isHere)
      await this.put(org, { digest, content: Readable.from([bytes]), offset: 0, announcedBytes: bytes.byteLength });
    return digest;
  }

  /**
   * Opens the bytes for a build. Those that a disk has changed are removed, so that whoever has them brings them again; the
   * stream, too, ends with that error.
   *
   * @throws blob_missing
   */
  async open(org: OrgStore, digest: string): Promise<OpenedBlob> {
    const [row] = await org.findBlobs([digest]);
    const path = this.pathOf(digest);
    const stats = await stat(path).catch(() => undefined);
    if (row === undefined || stats === undefined) throw blobMissing([digest]);
    const dropDamaged = async () => {
      await rm(path, { force: true });
      return blobMissing([digest]);
    };
    if (stats.size !== row.sizeBytes) throw await dropDamaged();
    return { sizeBytes: row.sizeBytes, stream: verifiedBytes(path, digest, dropDamaged) };
  }

  /** Notes what an accepted image needs: that stays while a row names the image, and a while longer. */
  async keepFor(org: OrgStore, manifest: ImageManifest, digests: readonly string[]): Promise<void> {
    await org.referToBlobs({ contentHash: contentHash(manifest), digests }, this.now());
  }

  /**
   * Removes all files but those of the digests, and uploads that nobody continued since `before`; returns the sizes. Only
   * for a collection, which has the gate for itself.
   */
  async removeAllBut(digests: ReadonlySet<string>, before: number): Promise<number[]> {
    const removed = await this.incoming.removeOld(before);
    const root = join(this.dir, "sha256");
    const files = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const file of files) {
      if (!file.isFile() || digests.has(`sha256:${file.name}`)) continue;
      const path = join(file.parentPath, file.name);
      removed.push((await stat(path)).size);
      await rm(path, { force: true });
    }
    return removed;
  }

  private async touchPresent(org: OrgStore, digests: readonly string[]): Promise<Set<string>> {
    const rows = await org.findBlobs(digests);
    const present = [];
    for (const row of rows) if (await exists(this.pathOf(row.digest))) present.push(row);
    // Asking is the beginning of using: what is said to be here must still be here when the build comes.
    await org.touchBlobs(present, this.now());
    return new Set(present.map((row) => row.digest));
  }

  private async use<T>(work: () => Promise<T>): Promise<T> {
    const leaveGate = await this.gate.enter();
    try {
      return await work();
    } finally {
      leaveGate();
    }
  }

  private async publish(temporary: string, digest: string): Promise<void> {
    const target = this.pathOf(digest);
    await makeFolders(dirname(target), 0o700);
    await rename(temporary, target);
    await syncDir(dirname(target));
  }

  private pathOf(digest: string): string {
    return blobPath(this.dir, digest);
  }
}

/** The error for bytes that nobody uploaded: the client uploads `details.digests` and asks again. */
export function blobMissing(digests: readonly string[]): OpenComputerError {
  const count = digests.length === 1 ? "the bytes of 1 file" : `the bytes of ${digests.length} files`;
  return new OpenComputerError(
    "blob_missing",
    `the server lacks ${count} of the image: ${digests.slice(0, 3).join(", ")}${digests.length > 3 ? ", …" : ""}. ` +
      "Upload them with PUT /api/blobs/<digest> and send the request again.",
    { details: { digests } },
  );
}

async function syncDir(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
