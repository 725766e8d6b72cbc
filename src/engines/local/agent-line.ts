import type { AgentChannel } from "./agent-channel";

/** The way to an agent: whole frames, in order, which can be held back for a while. */
export interface AgentLine {
  /** Writes these as one; what cannot be written is dropped, because the end of the line is told by itself. */
  write(...parts: readonly Buffer[]): void;
  /** Holds back all that is written from now on. */
  pause(): void;
  resume(): void;
  isClosed(): boolean;
  /** Calls once when either direction has ended, which ends the other. */
  onceClosed(callback: () => void): void;
  destroy(): void;
  /** Whether it keeps the process up. */
  ref(): void;
  unref(): void;
}

/** The line over a channel. */
export function createAgentLine({ from, to }: AgentChannel): AgentLine {
  const both = from === to ? [from] : [from, to];
  let waiting: Buffer[] | null = null;
  const destroy = () => {
    for (const socket of both) socket.destroy();
  };
  const send = (parts: readonly Buffer[]) => {
    if (to.destroyed) return;
    to.cork();
    for (const part of parts) to.write(part);
    to.uncork();
  };
  for (const socket of both) {
    socket.on("error", destroy);
    socket.once("close", destroy);
  }
  // Half of a line is none.
  from.once("end", destroy);
  return {
    write(...parts) {
      if (waiting) waiting.push(...parts);
      else send(parts);
    },
    pause() {
      waiting ??= [];
    },
    resume() {
      const parts = waiting ?? [];
      waiting = null;
      send(parts);
    },
    isClosed: () => from.destroyed || to.destroyed,
    onceClosed: (callback) => from.once("close", callback),
    destroy,
    ref() {
      for (const socket of both) socket.ref();
    },
    unref() {
      for (const socket of both) socket.unref();
    },
  };
}
