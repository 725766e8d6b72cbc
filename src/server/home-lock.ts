import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { OpenComputerError } from "../errors";
import { readServerCard } from "./server-card";

/** One server per home, until {@link HomeLock.release} or the death of the process. */
export interface HomeLock {
  release(): void;
}

/**
 * Takes the home for this process. The lock is SQLite's own on `server.lock`: the kernel lets go of it however the
 * process ends, so a killed server never locks anybody out.
 *
 * @throws conflict naming the pid and url of the server that has it
 */
export async function lockHome(home: string): Promise<HomeLock> {
  const database = new SqliteDatabase(join(home, "server.lock"), { timeout: 0 });
  try {
    // Rollback-journal mode, whose exclusive transaction shuts out every other connection.
    database.pragma("journal_mode = DELETE");
    database.exec("begin exclusive");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw await heldByAnother(home, error);
  }
  return { release: () => void database.close() };
}

async function heldByAnother(home: string, cause: unknown): Promise<OpenComputerError> {
  const card = await readServerCard(home);
  const who = card ? `with pid ${card.pid} at ${card.url}` : "that is starting or stopping";
  return new OpenComputerError(
    "conflict",
    `${home} belongs to a server ${who}. Use that one, stop it first, or choose another OPENCOMPUTER_HOME.`,
    { cause, details: { home, ...(card ? { pid: card.pid, url: card.url } : {}) } },
  );
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY");
}
