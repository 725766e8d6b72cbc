import type { Readable } from "node:stream";

/** What comes from a stream to its end, or null where it is more than this: then `onOver` has been called. */
export async function readAtMost(stream: Readable, limitBytes: number, onOver: () => void): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) {
      onOver();
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
