import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { OpenedBlob } from "../../engines/engine";
import { invalidInput, isOpenComputerError, OpenComputerError } from "../../errors";
import { digestOf } from "../../image/hash";
import type { OrgStore } from "../store/store";

/**
 * Bytes by digest, in `<home>/blobs/sha256/<aa>/<hex>`. One file serves all organisations that brought the same bytes;
 * who may use it is told by the rows, so that knowing a digest gives nobody another's file.
 */
export class BlobStore {
  constructor(
    private readonly dir: string,
    private readonly now: () => number,
  ) {}

  /** Those of the digests that the organisation has not brought, in the order asked. */
  async missing(org: OrgStore, digests: readonly string[]): Promise<string[]> {
    const rows = await org.findBlobs(digests);
    const present = [];
    for (const row of rows) if (await exists(this.pathOf(row.digest))) present.push(row);
    // Asking is the beginning of using: what is said to be here must still be here when the build comes.
    await org.touchBlobs(present, this.now());
    const known = new Set(present.map((row) => row.digest));
    return [...new Set(digests)].filter((digest) => !known.has(digest));
  }

  /**
   * Stores a stream under its digest, verified while it is written; nothing becomes visible before it is synced.
   *
   * @throws invalid_input where the bytes have another digest, naming both
   */
  async put(org: OrgStore, digest: string, content: Readable, signal?: AbortSignal): Promise<void> {
    const temporary = join(this.dir, `incoming-${randomBytes(8).toString("hex")}`);
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    try {
      const received = await writeHashed(content, temporary, signal);
      if (received.digest !== digest) throw wrongDigest(digest, received.digest);
      await this.publish(temporary, digest);
      await org.touchBlobs([{ digest, sizeBytes: received.sizeBytes }], this.now());
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Stores bytes that are at hand and returns their digest. */
  async putBytes(org: OrgStore, bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes);
    if (await exists(this.pathOf(digest))) {
      await org.touchBlobs([{ digest, sizeBytes: bytes.byteLength }], this.now());
    } else {
      await this.put(org, digest, Readable.from([bytes]));
    }
    return digest;
  }

  /** Opens the bytes for a build. @throws blob_missing */
  async open(org: OrgStore, digest: string): Promise<OpenedBlob> {
    const [row] = await org.findBlobs([digest]);
    if (row === undefined || !(await exists(this.pathOf(digest)))) throw blobMissing([digest]);
    return { sizeBytes: row.sizeBytes, stream: createReadStream(this.pathOf(digest)) };
  }

  /** Deletes files and returns their bytes. What is gone is fine. */
  async remove(digests: readonly string[]): Promise<number> {
    let freed = 0;
    for (const digest of digests) {
      const facts = await stat(this.pathOf(digest)).catch(() => undefined);
      freed += facts?.size ?? 0;
      await rm(this.pathOf(digest), { force: true });
    }
    return freed;
  }

  private async publish(temporary: string, digest: string): Promise<void> {
    const target = this.pathOf(digest);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(temporary, target);
    await syncDir(dirname(target));
  }

  private pathOf(digest: string): string {
    const hex = digest.slice("sha256:".length);
    return join(this.dir, "sha256", hex.slice(0, 2), hex);
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

async function writeHashed(content: Readable, path: string, signal: AbortSignal | undefined) {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(content, measure, createWriteStream(path, { mode: 0o600, flush: true }), { signal });
  } catch (error) {
    if (isOpenComputerError(error)) throw error;
    throw new OpenComputerError("aborted", `the upload ended before its bytes were complete (${sizeBytes} received)`, {
      cause: error,
    });
  }
  return { digest: `sha256:${hash.digest("hex")}`, sizeBytes };
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

function wrongDigest(expected: string, received: string): OpenComputerError {
  const message = `the bytes do not have the digest that they were sent under: expected ${expected}, received ${received}`;
  return invalidInput("the upload", [{ path: "digest", message }]);
}
