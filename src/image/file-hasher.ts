import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { DIGEST_BYTES, DONE, HASHED, type HashBatch, hashFile, hashShare, PROGRESS } from "./hash-batch.cjs";

/** A file whose bytes are wanted. */
export interface HashJob {
  /** Absolute. */
  readonly file: string;
  readonly sizeBytes: number;
  /** What `identityOf` said of the file when it was found. */
  readonly identity: string;
}

/** What became of a {@link HashJob}. */
export type HashOutcome =
  | { readonly kind: "hashed"; readonly digest: string }
  /** It is not, or did not stay, the file that was found. */
  | { readonly kind: "changed" }
  | { readonly kind: "unreadable"; readonly error: unknown };

/** Hashes files on all cores, for a caller that waits. */
export interface FileHasher {
  /** Outcomes in the order of the jobs. Small batches are hashed by the caller's thread alone. */
  readonly hashAll: (jobs: readonly HashJob[]) => readonly HashOutcome[];
  /** Ends the threads, if any were started. */
  readonly close: () => void;
}

/** Threads need memory, too; and beyond this, disks are the limit. */
const MAX_THREADS = 8;
/** A thread takes about as long to start as hashing this much. */
const WORTH_THREADS_BYTES = 32 * 1024 * 1024;
/** What opening a file costs, in bytes that could be hashed meanwhile. */
const OPEN_COST_BYTES = 16 * 1024;
/** So long without a piece read, a thread is taken for lost and its files are hashed here. */
const STALLED_MS = 30_000;
const PIECE_BYTES = 256 * 1024;
/** Names are copied to every thread: a batch bounds what that takes, whatever the size of the tree. */
const MAX_BATCH_FILES = 2000;
const THREAD_MEMORY = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/**
 * A hasher whose threads start with the first large batch and stay for the next ones until it is closed. They never
 * keep the process alive.
 *
 * @param threads how many may hash at the same time, the caller's included; default: the cores of this machine, at most 8
 */
export function createFileHasher(threads = Math.min(availableParallelism(), MAX_THREADS)): FileHasher {
  const workers: Worker[] = [];
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const hashBatch = (batch: HashBatch, isLarge: boolean) => {
    if (isLarge) {
      while (workers.length < threads - 1) workers.push(startWorker());
      for (const worker of workers) worker.postMessage(batch);
    }
    hashShare(batch, piece);
    waitForOthers(batch);
  };
  return {
    hashAll: (jobs) => {
      const outcomes: HashOutcome[] = [];
      const isLarge = isWorthThreads(jobs);
      // The largest first, so that no thread is left alone with one at the end.
      const order = jobs.map((_, index) => index).sort((a, b) => sizeOf(jobs[b]) - sizeOf(jobs[a]));
      for (let from = 0; from < order.length; from += MAX_BATCH_FILES) {
        const indices = order.slice(from, from + MAX_BATCH_FILES);
        const batch = createBatch(indices.flatMap((index) => jobs[index] ?? []));
        hashBatch(batch, isLarge);
        for (const [at, index] of indices.entries()) outcomes[index] = outcomeOf(batch, at, piece);
      }
      return outcomes;
    },
    close: () => {
      for (const worker of workers.splice(0)) void worker.terminate();
    },
  };
}

const sizeOf = (job: HashJob | undefined) => job?.sizeBytes ?? 0;

function isWorthThreads(jobs: readonly HashJob[]): boolean {
  return jobs.reduce((sum, job) => sum + job.sizeBytes + OPEN_COST_BYTES, 0) >= WORTH_THREADS_BYTES;
}

function createBatch(jobs: readonly HashJob[]): HashBatch {
  return {
    files: jobs.map((job) => job.file),
    identities: jobs.map((job) => job.identity),
    counters: new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT)),
    states: new Uint8Array(new SharedArrayBuffer(jobs.length)),
    digests: new Uint8Array(new SharedArrayBuffer(jobs.length * DIGEST_BYTES)),
  };
}

function startWorker(): Worker {
  // Neither the program's loaders (ts-node, tsx) nor its environment are any use to this thread.
  const worker = new Worker(join(__dirname, "hash-worker.cjs"), {
    execArgv: [],
    env: {},
    resourceLimits: THREAD_MEMORY,
  });
  // A thread that fails takes no files, or leaves one unfinished: the caller's thread hashes what is left.
  worker.on("error", () => undefined);
  worker.unref();
  return worker;
}

function waitForOthers({ counters, files }: HashBatch): void {
  for (;;) {
    const done = Atomics.load(counters, DONE);
    if (done >= files.length) return;
    const progress = Atomics.load(counters, PROGRESS);
    const waited = Atomics.wait(counters, DONE, done, STALLED_MS);
    if (waited === "timed-out" && Atomics.load(counters, PROGRESS) === progress) return;
  }
}

function outcomeOf(batch: HashBatch, at: number, piece: Buffer): HashOutcome {
  if (batch.states[at] === HASHED) {
    const bytes = Buffer.from(batch.digests.buffer, at * DIGEST_BYTES, DIGEST_BYTES);
    return { kind: "hashed", digest: `sha256:${bytes.toString("hex")}` };
  }
  try {
    const digest = hashFile(String(batch.files[at]), String(batch.identities[at]), piece);
    return digest ? { kind: "hashed", digest: `sha256:${digest.toString("hex")}` } : { kind: "changed" };
  } catch (error) {
    return { kind: "unreadable", error };
  }
}
