import { once } from "node:events";
import type { Readable } from "node:stream";

/** What the launcher inside tells about a command; see exec-process.ts. */
export interface ExecReports {
  /** Resolves when the command runs or cannot. */
  readonly started: Promise<StartReport>;
  /** The exit code, or null where nobody was left to tell. */
  readonly ended: Promise<number | null>;
}

export type StartReport =
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "no-directory" }
  /** The runtime could not start the launcher. */
  | { readonly kind: "failed" };

/** More than two short lines are not ours: whatever is inside may write to this channel, too. */
const MAX_BYTES = 256;
/** What was written before the end may still be on its way when the end is known. */
const FLUSH_MS = 200;

/** Reads the reports of one command; `exited` resolves when the runtime's own process is gone. */
export function readReports(channel: Readable, exited: Promise<void>): ExecReports {
  let text = "";
  let closed = false;
  const changed: (() => void)[] = [];
  const notify = () => {
    for (const wake of changed.splice(0)) wake();
  };
  const close = () => {
    closed = true;
    notify();
  };
  channel.setEncoding("utf8").on("data", (chunk: string) => {
    if (text.length < MAX_BYTES) text += chunk;
    notify();
  });
  channel.once("close", close).on("error", close);
  void exited.then(() => flush(channel)).then(close);
  const until = async <T>(find: () => T | undefined, otherwise: T): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (closed) return otherwise;
      await new Promise<void>((wake) => changed.push(wake));
    }
  };
  return {
    started: until<StartReport>(() => parseStart(text), { kind: "failed" }),
    ended: until<number | null>(() => parseEnd(text), null),
  };
}

async function flush(channel: Readable): Promise<void> {
  if (channel.readableEnded || channel.destroyed) return;
  await once(channel, "end", { signal: AbortSignal.timeout(FLUSH_MS) }).catch(() => undefined);
}

function parseStart(text: string): StartReport | undefined {
  if (text.startsWith("nodir\n")) return { kind: "no-directory" };
  const pid = /^ok (\d+)\n/.exec(text)?.[1];
  return pid === undefined ? undefined : { kind: "started", pid: Number(pid) };
}

function parseEnd(text: string): number | null | undefined {
  if (text.startsWith("nodir\n")) return null;
  const code = /^ok \d+\nexit (\d+)\n/.exec(text)?.[1];
  return code === undefined ? undefined : Number(code);
}
