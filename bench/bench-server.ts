import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ServerApi } from "../src/api/contract";
import type { ServerInfo } from "../src/api/records";
import { connectEmbedded } from "../src/client/embedded";
import { commandFile } from "../src/client/package-root";
import { findEmbedded } from "../src/client/running-server";
import { localHome } from "../src/engines/local/home";
import type { BenchRun } from "./bench-run";
import { command } from "./command";

/** Our side: the embedded server as users have it, a process of its own in a home of its own. */
export interface BenchServer {
  readonly api: ServerApi;
  readonly home: string;
  readonly pid: number;
  readonly info: ServerInfo;
  /** Ends its sandboxes and the server; again is fine. */
  readonly stop: () => Promise<void>;
}

export interface BenchServerOptions {
  readonly runtime: "runc" | "runsc";
  /** Tells servers of one run apart. Default: the runtime. */
  readonly name?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const STOP_TIMEOUT_MS = 180_000;

/** Starts a server; the base comes from the cache where it was prepared before. */
export async function startBenchServer(run: BenchRun, options: BenchServerOptions): Promise<BenchServer> {
  const { runtime, name = runtime } = options;
  const home = join(run.dir, `home-${name}`);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...options.env,
    OPENCOMPUTER_HOME: home,
    OPENCOMPUTER_RUNTIME: runtime,
    OPENCOMPUTER_LOG_LEVEL: "warn",
    OPENCOMPUTER_PORT: "0",
  };
  delete env["OPENCOMPUTER_API_URL"];
  delete env["OPENCOMPUTER_API_KEY"];
  let isOver = false;
  const stop = async () => {
    if (isOver) return;
    isOver = true;
    await command(process.execPath, [commandFile(), "stop", "--all"], { env, timeoutMs: STOP_TIMEOUT_MS });
    // What an engine keeps for its next start; there is none.
    await rm(dirname(localHome(home).merged), { recursive: true, force: true });
  };
  run.defer(stop);
  await connectEmbedded({ env, signal: run.signal, onProgress: (line) => run.say(line) });
  const running = await findEmbedded(home, { signal: run.signal });
  if (!running) throw new Error(`the server in ${home} answered once and is gone; look at ${home}/server.log`);
  const { api, card, info } = running;
  return { api, home, pid: card.pid, info, stop };
}
