import { join } from "node:path";
import { createLocalEngine } from "../engines/local/local-engine";
import type { ServerConfig } from "./config";
import { createLog } from "./log";
import { type RunningServer, runServer } from "./run-server";
import { openSqliteStore } from "./store/sqlite-store";

/** The longest start: a first base over a slow line. */
const START_TIMEOUT_MS = 3_600_000;

/**
 * Starts a server on this machine: local engine, SQLite, all in `config.home`. Resolves when it answers. The signal ends
 * the start, not the server.
 *
 * @throws conflict where another server has the home; requirement_missing with what to install
 * @example
 * const server = await startServer(readServerConfig({}, { env: process.env, uid: 0, homeDir: "/root" }))
 * console.log(server.url) // http://127.0.0.1:41234
 * await server.close()
 */
export async function startServer(config: ServerConfig, signal?: AbortSignal): Promise<RunningServer> {
  const { home, cacheDir, runtime, reach, acceptRunc, base, diskMB } = config;
  return await runServer(config, {
    engine: createLocalEngine({
      ...{ home, cacheDir, runtime, reach, hostEnv: process.env },
      ...(acceptRunc ? { acceptRunc } : {}),
      ...(base ? { base } : {}),
      ...(diskMB === undefined ? {} : { diskMB }),
    }),
    openStore: (dir) => openSqliteStore(join(dir, "server.db"), { reservesRoom: true }),
    log: createLog(config.logLevel),
    now: Date.now,
    signal: AbortSignal.any([AbortSignal.timeout(START_TIMEOUT_MS), ...(signal ? [signal] : [])]),
  });
}
