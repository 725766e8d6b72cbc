import { createHash } from "node:crypto";
import { type Readable, Transform } from "node:stream";
import type { ImageUpload } from "../api/contract";
import { OpenComputerError } from "../errors";
import type { BlobSource } from "../image/local-files";

/**
 * The bytes of a source, checked while they flow: the stream fails at its end where they are not what was hashed.
 *
 * @param offset how many bytes, counted from the first, are checked but left out
 * @throws file_changed through the stream
 */
export function openChecked(source: BlobSource, offset = 0): Readable {
  const hash = createHash("sha256");
  let toSkip = offset;
  const checked = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      const rest = chunk.subarray(toSkip);
      toSkip -= chunk.length - rest.length;
      if (rest.length > 0) this.push(rest);
      done();
    },
    flush(done) {
      done(`sha256:${hash.digest("hex")}` === source.digest ? null : changedError(source));
    },
  });
  const bytes = source.open();
  bytes.once("error", (error) => checked.destroy(changedError(source, error)));
  checked.once("close", () => bytes.destroy());
  return bytes.pipe(checked);
}

/** The source of a digest. @throws blob_missing */
export function findSource(image: ImageUpload, digest: string): BlobSource {
  const source = image.findBlob(digest);
  if (source) return source;
  throw new OpenComputerError(
    "blob_missing",
    `the image names a file by ${digest}, but its bytes are not at hand; build it where its local files are`,
    { details: { digests: [digest] } },
  );
}

/** All bytes of a digest, checked. @throws blob_missing, file_changed */
export async function readSource(image: ImageUpload, digest: string): Promise<Buffer> {
  return Buffer.concat(await openChecked(findSource(image, digest)).toArray());
}

function changedError(source: BlobSource, cause?: unknown): OpenComputerError {
  return new OpenComputerError(
    "file_changed",
    `${source.label} changed after the image was computed (its bytes are no longer ${source.digest}); run again with the file as it is now`,
    { details: { path: source.label, digest: source.digest }, ...(cause === undefined ? {} : { cause }) },
  );
}
