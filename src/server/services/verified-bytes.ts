import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";

/**
 * The bytes of a file, which is to have a digest. Where it has another one, because a disk made something else of it, the
 * stream ends with an error, so that nobody takes what came for the whole.
 *
 * @param toError the error, when the file turned out to be another
 */
export function verifiedBytes(path: string, digest: string, toError: () => Promise<Error>): Readable {
  return Readable.from(readVerified(path, digest, toError), { objectMode: false });
}

async function* readVerified(path: string, digest: string, toError: () => Promise<Error>): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
  if (`sha256:${hash.digest("hex")}` !== digest) throw await toError();
}
