import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ExecSpec, Execution } from "../engine";
import type { AgentCommand } from "./agent-command";

const SIGKILL = 9;
/** A command that was killed is over at once; only a sandbox that plays tricks takes longer than this. */
const KILL_GRACE_MS = 5_000;

/**
 * Watches over a running command until it is over, by itself or by timeout or signal.
 * While its last output is handed on, timeout and abort only cut that short: what it left running is not its own.
 */
export function supervise(command: AgentCommand, spec: ExecSpec): Execution {
  const { stdout, stderr } = command;
  const letGo = new AbortController();
  let ended = false;
  let timedOut = false;
  let sent = 0;
  let lastResort: NodeJS.Timeout | undefined;
  const giveUp = () => {
    command.forget();
    letGo.abort();
  };
  const kill = async (number: number) => {
    if (ended) return;
    sent = number;
    if (number === SIGKILL) lastResort ??= setTimeout(giveUp, KILL_GRACE_MS);
    command.signal(number);
  };
  const stop = watch(spec, (reason) => {
    if (ended) return giveUp();
    timedOut = reason === "timeout";
    void kill(SIGKILL);
  });
  const result = command.exited.then(async (exit) => {
    ended = true;
    clearTimeout(lastResort);
    await command.done;
    await Promise.all([stdout, stderr].map((stream) => readToEnd(stream, letGo.signal)));
    stop();
    const signalled = timedOut || exit === null || (sent > 0 && exit.signal === sent);
    return { exitCode: signalled ? -1 : exit.code, timedOut };
  });
  return { stdout, stderr, result, kill };
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

async function readToEnd(stream: Readable, letGo: AbortSignal): Promise<void> {
  await finished(stream, { signal: letGo }).catch(() => undefined);
}
