import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isOpenComputerError } from "../../errors";
import type { CheckDepth, LayerCheck } from "./layer-check";

/** Looks after layers in the background, one after the other. */
export interface LayerWatch {
  /** A layer was made: what it holds is written down when there is time. */
  add(layer: string): void;
  /** Checks a layer, and puts it aside where it is not whole. */
  inspect(layer: string, depth: CheckDepth): void;
  /** Waits until all that was begun is done. */
  settled(): Promise<void>;
  /** Does nothing new. */
  close(): void;
}

export interface LayerWatchDeps {
  /** The directory of all layers. */
  readonly layers: string;
  readonly check: LayerCheck;
  /** Checks a layer, and puts it aside where it is not whole. */
  readonly inspect: (layer: string, depth: CheckDepth) => Promise<unknown>;
}

/** After the rush of a start, or of a build. */
const REST_MS = 20_000;
const ROUND_MS = 3_600_000;
/** Every byte of every layer is read this often. */
const READ_EVERY_MS = 7 * 24 * 3_600_000;

/** Watches the layers of a directory: lists those that have no list, and reads each once a week. */
export function createLayerWatch({ layers, check, inspect }: LayerWatchDeps): LayerWatch {
  let closed = false;
  let last: Promise<void> = Promise.resolve();
  const queue = (work: () => Promise<unknown>) => {
    last = last.then(async () => {
      if (!closed) await work();
    });
    // Nobody waits: what is wrong with the disk or the hand is told to whoever uses the layer.
    last = last.catch((error: unknown) => {
      if (!isOpenComputerError(error) && !isFileError(error)) throw error;
    });
  };
  const lookAt = async (layer: string) => {
    const lastRead = await check.lastRead(layer);
    if (lastRead === null) await check.list(layer);
    else if (Date.now() - lastRead > READ_EVERY_MS) await inspect(layer, "full");
  };
  const round = async () => {
    const names = await readdir(layers).catch((): string[] => []);
    for (const name of names) queue(() => lookAt(join(layers, name)));
  };
  const first = setTimeout(round, REST_MS).unref();
  const rounds = setInterval(round, ROUND_MS).unref();
  return {
    add: (layer) => queue(() => check.list(layer)),
    inspect: (layer, depth) => queue(() => inspect(layer, depth)),
    settled: () => last,
    close() {
      closed = true;
      clearTimeout(first);
      clearInterval(rounds);
    },
  };
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
