import { setTimeout as delay } from "node:timers/promises";
import Database from "better-sqlite3";
import { OpenComputerError } from "../../../errors";
import { throwIfAborted } from "./run-tool";

const POLL_MS = 500;
const REPORT_MS = 10_000;
const TIMEOUT_MS = 60 * 60_000;

/**
 * Runs something while holding a lock among all processes of this machine. The lock is one of SQLite's on an empty
 * database: the kernel lets go of it when its holder dies, however it dies.
 *
 * @throws aborted while waiting; timeout after an hour
 */
export async function withBaseLock<T>(
  path: string,
  options: { readonly onProgress: (line: string) => void; readonly signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  const database = new Database(path, { timeout: 0 });
  try {
    await acquire(database, options);
    return await work();
  } finally {
    database.close();
  }
}

async function acquire(
  database: Database.Database,
  { onProgress, signal }: { readonly onProgress: (line: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  const startMs = performance.now();
  let reportedMs = Number.NEGATIVE_INFINITY;
  while (!tryAcquire(database)) {
    if (performance.now() - startMs > TIMEOUT_MS) {
      throw new OpenComputerError("timeout", "waited an hour for another process that prepares a base root filesystem");
    }
    if (performance.now() - reportedMs > REPORT_MS) {
      reportedMs = performance.now();
      onProgress("base: another process prepares a base root filesystem; waiting for it");
    }
    await delay(POLL_MS);
    throwIfAborted(signal, "waiting for another process that prepares a base root filesystem");
  }
}

function tryAcquire(database: Database.Database): boolean {
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")) return false;
    throw error;
  }
}
