import { createHash, type Hash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { invalidInput, isOpenComputerError, OpenComputerError } from "../../errors";
import { makeFolders } from "../../folders";
import { formatSize } from "../../image/format-size";
import { sha256Hex } from "../../image/hash";
import { MAX_FILE_BYTES } from "../../image/image-size";
import { isMissingFile } from "./missing-file";

const PREFIX = "incoming-";
/** Less is sent again as quickly as it is asked for. */
const WORTH_KEEPING_BYTES = 1024 * 1024;

/** Bytes that come under a digest. */
export interface Arrival {
  readonly orgId: string;
  readonly digest: string;
  readonly content: Readable;
  /** Where the content begins: that much has come before. */
  readonly offset: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Bytes on their way in, one file for each organisation and digest: what an upload that was cut leaves behind is where
 * the next one goes on. Another upload of the same bytes at the same time has a file of its own.
 */
export class IncomingFiles {
  private readonly writing = new Set<string>();

  constructor(private readonly dir: string) {}

  /** How many bytes of each digest have come and wait for the rest; digests of which there are none are left out. */
  async arrived(orgId: string, digests: readonly string[]): Promise<Record<string, number>> {
    const waiting = new Set(await this.list());
    const sizes: Record<string, number> = {};
    if (waiting.size === 0) return sizes;
    for (const digest of digests) {
      const path = this.pathOf(orgId, digest);
      if (waiting.has(path) && !this.writing.has(path)) sizes[digest] = await sizeOf(path);
    }
    return sizes;
  }

  /**
   * Writes bytes to a file, synced and verified, and hands it to `keep`, which takes it away.
   *
   * @throws invalid_input where they have another digest or are too many, conflict where they begin after what is here,
   *   aborted where they end too early: then they wait for the rest
   */
  async receive(arrival: Arrival, keep: (path: string, sizeBytes: number) => Promise<void>): Promise<void> {
    const own = this.pathOf(arrival.orgId, arrival.digest);
    if (this.writing.has(own) && arrival.offset > 0) throw cannotContinue(arrival, "another upload is writing them");
    const path = this.writing.has(own) ? `${own}-${randomBytes(8).toString("hex")}` : own;
    this.writing.add(path);
    try {
      await makeFolders(this.dir, 0o700);
      await keep(path, await writeVerified(path, arrival));
    } catch (error) {
      const isCut =
        path === own && isOpenComputerError(error, "aborted") && (await sizeOf(path)) >= WORTH_KEEPING_BYTES;
      if (!isCut) await rm(path, { force: true });
      throw error;
    } finally {
      this.writing.delete(path);
    }
  }

  /** Removes what has waited since before a moment, and what a crash left; returns the sizes. */
  async removeOld(before: number): Promise<number[]> {
    const removed: number[] = [];
    for (const path of await this.list()) {
      const facts = this.writing.has(path) ? undefined : await stat(path).catch(() => undefined);
      if (facts === undefined || facts.mtimeMs >= before) continue;
      await rm(path, { force: true });
      removed.push(facts.size);
    }
    return removed;
  }

  private async list(): Promise<string[]> {
    try {
      const names = await readdir(this.dir);
      return names.filter((name) => name.startsWith(PREFIX)).map((name) => join(this.dir, name));
    } catch (error) {
      if (isMissingFile(error)) return [];
      throw error;
    }
  }

  private pathOf(orgId: string, digest: string): string {
    return join(this.dir, `${PREFIX}${sha256Hex(`${orgId}/${digest}`)}`);
  }
}

/** Continues the file at the offset, or begins it anew, and returns its size. */
async function writeVerified(path: string, arrival: Arrival): Promise<number> {
  const hash = createHash("sha256");
  await keepFirst(path, arrival, hash);
  const sizeBytes = await append(path, arrival, hash);
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest !== arrival.digest) throw wrongDigest(arrival.digest, digest);
  return sizeBytes;
}

/** Hashes what came before, and cuts off whatever is there beyond it. */
async function keepFirst(path: string, arrival: Arrival, hash: Hash): Promise<void> {
  if (arrival.offset === 0) return await rm(path, { force: true });
  const sizeBytes = await sizeOf(path);
  if (sizeBytes < arrival.offset) throw cannotContinue(arrival, `only ${sizeBytes} bytes are here`);
  await truncate(path, arrival.offset);
  for await (const piece of createReadStream(path)) hash.update(piece);
}

async function append(path: string, { digest, content, offset, signal }: Arrival, hash: Hash): Promise<number> {
  let sizeBytes = offset;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(sizeBytes > MAX_FILE_BYTES ? tooLarge(digest) : null, chunk);
    },
  });
  const file = createWriteStream(path, { flags: "a", mode: 0o600, flush: true });
  try {
    await pipeline(content, measure, file, { signal });
  } catch (error) {
    // What is still being written must not come after whatever continues the file.
    if (!file.closed) await new Promise<void>((closed) => file.once("close", closed));
    throw isOpenComputerError(error) ? error : incomplete(error, sizeBytes);
  }
  return sizeBytes;
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    (facts) => facts.size,
    () => 0,
  );
}

function incomplete(cause: unknown, sizeBytes: number): OpenComputerError {
  if (cause instanceof Error && "code" in cause && cause.code === "ENOSPC") {
    const message = "the server's disk is full; free some space there, for example with pulumi-opencomputer gc";
    return new OpenComputerError("insufficient_storage", message, { cause });
  }
  const message = `the upload ended before its bytes were complete (${sizeBytes} received)`;
  return new OpenComputerError("aborted", message, { cause });
}

function cannotContinue({ digest, offset }: Arrival, why: string): OpenComputerError {
  const message = `the upload of ${digest} cannot go on at byte ${offset}: ${why}. Send it from its start.`;
  return new OpenComputerError("conflict", message);
}

function tooLarge(digest: string): OpenComputerError {
  const message = `has more than the ${formatSize(MAX_FILE_BYTES)} of a file; fetch it in the image with runCommands`;
  return invalidInput("the upload", [{ path: digest, message }]);
}

function wrongDigest(expected: string, received: string): OpenComputerError {
  const message = `the bytes do not have the digest that they were sent under: expected ${expected}, received ${received}`;
  return invalidInput("the upload", [{ path: "digest", message }]);
}
