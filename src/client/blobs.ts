import type { Readable } from "node:stream";
import { z } from "zod";
import type { BuildOptions, CallOptions, ImageUpload } from "../api/contract";
import { routes } from "../api/routes";
import { missingBlobsResponseSchema } from "../api/schemas";
import { isOpenComputerError } from "../errors";
import { formatSize } from "../image/format-size";
import type { BlobSource } from "../image/local-files";
import { allDigests } from "../image/tree";
import { findSource, openChecked, readSource } from "./blob-source";
import { inlineManifest, isKnownToAll } from "./inline-manifest";
import type { Call, Transport } from "./transport";

/** Uploads at a time: enough to hide the way to the server, few enough to leave the disk to the build. */
const PARALLEL_UPLOADS = 4;
/** Digests asked for in one call; the server takes up to 100,000. */
const DIGESTS_PER_CALL = 20_000;

/** The server answers an upload when the whole file is hashed and safe on its disk. */
const UPLOAD_SILENCE_MS = 300_000;

export interface UploadOptions extends BuildOptions {
  /** Told once an image where a server without uploads loses something of it. */
  readonly onWarning: (message: string) => void;
}

/**
 * Brings the bytes of an image to the server and then sends the manifest: towards our own server only bytes that it lacks
 * travel, by digest; towards one without uploads (the hosted service) they are put into the manifest. Bytes that were
 * there and are not when they are needed, because a disk damaged them or a clock made them look old, are brought again: each once.
 *
 * @throws file_changed where a local file is no longer what was hashed; blob_missing where nobody has the bytes;
 *   unsupported where a server without uploads does not know a step; and whatever `send` throws
 */
export async function sendImage<T>(
  transport: Transport,
  image: ImageUpload,
  options: UploadOptions,
  send: (manifest: object) => Promise<T>,
): Promise<T> {
  for (const lost = new Set<string>(); ; ) {
    const manifest = await uploadImage(transport, image, options);
    try {
      return await send(manifest);
    } catch (error) {
      const news = missingIn(error).filter((digest) => !lost.has(digest));
      if (news.length === 0) throw error;
      for (const digest of news) lost.add(digest);
      tell(options, `the server has lost ${countFiles(news)} since; uploading again`);
    }
  }
}

/** A line of the build, before its first step. */
function tell({ onBuildLog }: BuildOptions, message: string): void {
  onBuildLog?.({ step: 0, type: "upload", message });
}

/** What a server says that it needs and has not. */
function missingIn(error: unknown): readonly string[] {
  if (!isOpenComputerError(error, "blob_missing")) return [];
  return detailsSchema.safeParse(error.details).data?.digests ?? [];
}

const detailsSchema = z.object({ digests: z.array(z.string()) });
const countFiles = (files: readonly unknown[]) => (files.length === 1 ? "1 file" : `${files.length} files`);

async function uploadImage(transport: Transport, image: ImageUpload, options: UploadOptions): Promise<object> {
  const digests = await allDigests(image.manifest, (digest) => readSource(image, digest));
  if (digests.length === 0 && isKnownToAll(image)) return image.manifest;
  const found = await findMissing(transport, digests, options);
  if (!found) return inlineManifest(image, options.onWarning);
  const sources = found.missing.map((digest) => findSource(image, digest));
  const progress = tellProgress(sources, options);
  await forEachLimited(sources, PARALLEL_UPLOADS, options.signal, async (source, signal) => {
    await upload(transport, source, found.arrived[source.digest] ?? 0, signal);
    progress();
  });
  return image.manifest;
}

/** People wait two seconds without asking. */
const PROGRESS_INTERVAL_MS = 2_000;

/** An upload that is over before anybody wonders needs no line. */
const QUIET_UPLOAD = { files: 200, sizeBytes: 8 * 1024 * 1024 } as const;

/** Says as lines of the build, before its first, what is uploaded; returns what to call after each file. */
function tellProgress(sources: readonly BlobSource[], options: BuildOptions): () => void {
  const sizeBytes = sources.reduce((sum, source) => sum + source.sizeBytes, 0);
  const isLarge = sources.length > QUIET_UPLOAD.files || sizeBytes > QUIET_UPLOAD.sizeBytes;
  if (isLarge) tell(options, `uploading ${countFiles(sources)} (${formatSize(sizeBytes)})`);
  let done = 0;
  let toldAt = performance.now();
  return () => {
    done += 1;
    if (performance.now() - toldAt < PROGRESS_INTERVAL_MS) return;
    toldAt = performance.now();
    tell(options, `uploaded ${done} of ${countFiles(sources)}`);
  };
}

/** What the server lacks, and how much of that has arrived before. */
type Missing = z.infer<typeof missingBlobsResponseSchema>;

/** Undefined where the server knows no uploads. */
async function findMissing(
  transport: Transport,
  digests: readonly string[],
  { signal }: CallOptions,
): Promise<Missing | undefined> {
  const missing: string[] = [];
  const arrived: Record<string, number> = {};
  try {
    for (let from = 0; from === 0 || from < digests.length; from += DIGESTS_PER_CALL) {
      const answer = await askMissing(transport, digests.slice(from, from + DIGESTS_PER_CALL), signal);
      missing.push(...answer.missing);
      Object.assign(arrived, answer.arrived);
    }
  } catch (error) {
    if (isOpenComputerError(error) && [404, 405, 501].includes(Number(error.details["status"]))) return undefined;
    throw error;
  }
  return { missing, arrived };
}

function askMissing(transport: Transport, digests: readonly string[], signal: AbortSignal | undefined) {
  const call = { method: "POST", path: routes.blobsMissing, json: { digests }, idempotent: true, signal } as const;
  return transport.json(missingBlobsResponseSchema, call);
}

/** Sends what the server does not have yet of a file; after a cut it asks anew how much that is. */
async function upload(transport: Transport, source: BlobSource, arrived: number, signal: AbortSignal): Promise<void> {
  const { digest } = source;
  let opened: Readable | undefined;
  let offset = arrived;
  const putFrom = (from: number): Call => ({
    method: "PUT",
    path: routes.blob(digest, from),
    body: () => {
      offset = from;
      opened = openChecked(source, from);
      return opened;
    },
    again: async () => putFrom((await askMissing(transport, [digest], signal)).arrived[digest] ?? 0),
    silenceTimeoutMs: UPLOAD_SILENCE_MS,
    signal,
  });
  try {
    await transport.send(putFrom(arrived)).catch((error: unknown) => {
      if (offset > 0 && isRefusal(error)) return transport.send(putFrom(0));
      throw error;
    });
  } catch (error) {
    // The server may have refused the bytes, or the connection died of them: what the file was is the better reason.
    throw isOpenComputerError(opened?.errored, "file_changed") ? opened.errored : error;
  }
}

/** What the server had of the file is gone or spoilt: then it takes it from the start. */
function isRefusal(error: unknown): boolean {
  return isOpenComputerError(error, "conflict") || isOpenComputerError(error, "invalid_input");
}

/** Runs at most `limit` at a time; the first failure ends the others and is thrown once they have ended. */
async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal | undefined,
  run: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const combined = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await run(item, combined).catch((error: unknown) => {
        failures.push(error);
        queue.length = 0;
        stop.abort();
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
