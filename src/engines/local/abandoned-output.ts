import type { Socket } from "node:net";

/**
 * Output that nobody reads any more: of commands that are over and left something running in the background. Closed, it
 * would end that by SIGPIPE at its next line; so it is read, to nowhere, while somebody holds it open.
 */
export interface AbandonedOutput {
  /** Takes over the reading of a pipe from this container. */
  take(container: string, source: Socket): void;
  /** Closes all of them. */
  close(): void;
}

/** Pipes that a container may have here; the oldest makes way for one more. */
const MAX_PER_CONTAINER = 64;
/** At most a chunk of 64 KiB in this time: what floods must not keep the server busy. */
const PAUSE_MS = 50;

/** The abandoned output of an engine; it holds no process up. */
export function createAbandonedOutput(): AbandonedOutput {
  const byContainer = new Map<string, Set<Socket>>();
  return {
    take(container, source) {
      if (source.destroyed) return;
      const sources = byContainer.get(container) ?? new Set();
      byContainer.set(container, sources.add(source));
      source.once("close", () => {
        sources.delete(source);
        if (sources.size === 0 && byContainer.get(container) === sources) byContainer.delete(container);
      });
      if (sources.size > MAX_PER_CONTAINER) sources.values().next().value?.destroy();
      readToNowhere(source);
    },
    close() {
      for (const source of [...byContainer.values()].flatMap((sources) => [...sources])) source.destroy();
    },
  };
}

function readToNowhere(source: Socket): void {
  source.unref().on("error", () => undefined);
  source.removeAllListeners("data").on("data", () => {
    source.pause();
    setTimeout(() => source.resume(), PAUSE_MS).unref();
  });
  source.resume();
}
