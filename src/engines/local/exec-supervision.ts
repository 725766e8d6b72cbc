import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ExecSpec, Execution } from "../engine";
import type { ExecReports } from "./exec-reports";
import { type OutputStream, outputStream } from "./exec-streams";

/** The runtime's process that stands for a command on the host. */
export interface Front {
  readonly reports: ExecReports;
  readonly exited: Promise<void>;
  readonly stdin: Writable | null;
  readonly stdout: Socket;
  readonly stderr: Socket;
  /** Ends the front; the command inside runs on. */
  end(): void;
  /** Hands an output over that nobody reads any more. */
  abandon(source: Socket): void;
}

const SIGKILL = 9;
/** A command that was killed is over at once; only a sandbox that plays tricks takes longer than this. */
const KILL_GRACE_MS = 5_000;

/**
 * Watches over a running command until it is over, by itself or by timeout or signal; `signal` reaches its process group.
 * While its last output is handed on, timeout and abort only cut that short: what it left running is not its own.
 */
export function supervise(front: Front, spec: ExecSpec, signal: (signal: number) => Promise<void>): Execution {
  const [stdout, stderr] = [outputStream(front.stdout), outputStream(front.stderr)];
  const letGo = new AbortController();
  let ended = false;
  let timedOut = false;
  let sent = 0;
  let lastResort: NodeJS.Timeout | undefined;
  const giveUp = () => {
    front.end();
    letGo.abort();
  };
  const kill = async (number: number) => {
    sent = number;
    if (number === SIGKILL) lastResort ??= setTimeout(giveUp, KILL_GRACE_MS);
    await signal(number);
  };
  const stop = watch(spec, (reason) => {
    if (ended) return letGo.abort();
    timedOut = reason === "timeout";
    void kill(SIGKILL);
  });
  const result = front.reports.ended.then(async (code) => {
    ended = true;
    await settle(front, [stdout, stderr], letGo.signal);
    stop();
    clearTimeout(lastResort);
    const signalled = timedOut || code === null || (sent > 0 && code === 128 + sent);
    return { exitCode: signalled ? -1 : code, timedOut };
  });
  return { stdout: stdout.output, stderr: stderr.output, result, kill };
}

/** Calls when the time of a command is over or its caller gave up, until the returned function is called. */
function watch({ timeoutMs, signal }: ExecSpec, onStop: (reason: "timeout" | "abort") => void): () => void {
  const abort = () => onStop("abort");
  const timer = timeoutMs > 0 ? setTimeout(() => onStop("timeout"), timeoutMs) : undefined;
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  };
}

/** The command is over: hands on what it wrote, then lets go, also of what it left running in the background. */
async function settle(front: Front, streams: readonly OutputStream[], letGo: AbortSignal): Promise<void> {
  await Promise.all(streams.map((stream) => stream.drained(letGo)));
  front.end();
  for (const stream of streams) stream.end();
  for (const source of [front.stdout, front.stderr]) front.abandon(source);
  await front.exited;
  await Promise.all(streams.map(({ output }) => finished(output, { signal: letGo }).catch(() => undefined)));
}
