import type { ServerApi } from "../api/contract";
import { connect, findServer } from "../client/connect";
import { embeddedHome } from "../client/running-server";
import { OpenComputerError } from "../errors";

/** The exit code of commands that start no embedded server and find none. */
export const NOT_RUNNING = 3;

/** What a command may see of the world: where it prints, when it must end, and the server. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** True where a person reads stdout. */
  readonly isInteractive: boolean;
  /** Results: what a program that calls us reads. */
  readonly print: (text: string) => void;
  /** Everything else. */
  readonly note: (text: string) => void;
  /** Raw bytes of a command's output, without a line end of ours. */
  readonly write: (stream: "stdout" | "stderr", text: string) => void;
  /** The server of the environment; the embedded one is started where it does not run. */
  readonly open: () => Promise<ServerApi>;
  /** The same, but nothing is started: undefined where none runs. */
  readonly find: () => Promise<ServerApi | undefined>;
}

/** The terminal of this process. */
export function createTerminal(signal: AbortSignal): Terminal {
  const note = (text: string) => process.stderr.write(`${text}\n`);
  const warn = (text: string) => note(`warning: ${text}`);
  return {
    env: process.env,
    signal,
    isInteractive: process.stdout.isTTY === true,
    print: (text) => process.stdout.write(`${text}\n`),
    note,
    write: (stream, text) => process[stream].write(text),
    open: () => connect({ env: process.env, signal, onProgress: note, onWarning: warn }),
    find: () => findServer({ env: process.env, signal, onWarning: warn }),
  };
}

/**
 * The server that runs.
 *
 * @throws unavailable where there is none, with `details.running` false: nothing could be found in one that starts now,
 *   and an empty list would hide the sandboxes that run on
 */
export async function requireServer(terminal: Terminal): Promise<ServerApi> {
  const api = await terminal.find();
  if (api) return api;
  throw new OpenComputerError("unavailable", noServer(terminal), { details: { running: false } });
}

/** What to say where no server runs: sandboxes of one that was stopped are there again when it runs. */
export function noServer({ env }: Terminal): string {
  return `no server is running (home ${embeddedHome(env)}); start one with: pulumi-opencomputer serve`;
}
