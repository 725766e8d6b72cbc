import type { ServerApi } from "../../src/api/contract";
import { runProgram } from "../../src/cli/program";
import { createClient } from "../../src/client/client";
import { findServer } from "../../src/client/connect";

/** What a run of the command line came to. */
export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface World {
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** The server; without one, opening a connection is a failure of the test. */
  readonly url?: string;
}

/** Runs the command line inside this process, with a world of its own. */
export async function runCommandLine(args: readonly string[], world: World = {}): Promise<Outcome> {
  const text = { stdout: "", stderr: "" };
  const write = (stream: "stdout" | "stderr", more: string) => {
    text[stream] += more;
  };
  const exitCode = await runProgram(args, {
    env: world.env ?? {},
    signal: world.signal ?? new AbortController().signal,
    isInteractive: false,
    print: (line) => write("stdout", `${line}\n`),
    note: (line) => write("stderr", `${line}\n`),
    write,
    open: async () => openServer(world),
    find: async () => (world.url === undefined ? findServer({ env: world.env ?? {} }) : openServer(world)),
  });
  return { exitCode, ...text };
}

function openServer({ url }: World): ServerApi {
  if (url === undefined) throw new Error("this command must not connect");
  return createClient({ apiUrl: url, retry: { attempts: 1, baseDelayMs: 1 } });
}
