import type { Readable } from "node:stream";

/** Bytes that somebody can read when they are needed: a local file, or content that the program holds. */
export interface BlobSource {
  readonly digest: string;
  readonly sizeBytes: number;
  /** What to call it in an error: the path as the user wrote it. */
  readonly label: string;
  /** A fresh stream of the bytes. They may have changed since: whoever reads compares the digest. */
  readonly open: () => Readable;
}
