import { PassThrough, type Readable, type Writable } from "node:stream";
import { finished } from "node:stream/promises";

/** An output of a command on its way to whoever reads it. */
export interface OutputStream {
  /** What the reader gets; it ends when the command's output does, or when {@link OutputStream.end} is called. */
  readonly output: PassThrough;
  /**
   * To be called when the command is over. Ends when all that it wrote has been handed on: at the end of the source, or
   * when nothing came for a while; and where something in the background keeps on writing, after {@link CAUGHT_UP_MS}, or
   * for a reader that is slow after as much as a pipe can hold. Or when the signal fires.
   */
  drained(signal: AbortSignal): Promise<void>;
  /** Ends the output. The source stays open. */
  end(): void;
}

const QUIET_MS = 200;
/** How long a reader that takes all that comes gets more, so that what the command wrote itself is surely among it. */
const CAUGHT_UP_MS = 1_000;
const CHECK_MS = 25;
/** The most that anybody but the host's root may make a pipe hold. */
const MAX_PIPE_BYTES = 1024 * 1024;

/** Hands a command's output on. */
export function outputStream(source: Readable): OutputStream {
  const output = new PassThrough();
  let received = 0;
  let over = false;
  const ended = finished(source)
    .catch(() => undefined)
    .then(() => {
      over = true;
    });
  source.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  source.pipe(output);
  const end = () => {
    source.unpipe(output);
    output.end();
  };
  // A source that breaks off ends its output, too; pipe() alone would leave the reader waiting.
  void ended.then(end);
  return {
    output,
    end,
    async drained(signal) {
      const enough = received + source.readableLength + MAX_PIPE_BYTES;
      let seen = received;
      let [quietMs, caughtUpMs] = [0, 0];
      while (!over && !signal.aborted && !output.destroyed && received < enough) {
        if (quietMs >= QUIET_MS || caughtUpMs >= CAUGHT_UP_MS) return;
        await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, CHECK_MS))]);
        const isCaughtUp = source.readableLength === 0 && output.readableLength === 0;
        // Looks are counted, not time: in the time of a process that was held up, nothing was read.
        if (isCaughtUp) caughtUpMs += CHECK_MS;
        quietMs = isCaughtUp && seen === received ? quietMs + CHECK_MS : 0;
        seen = received;
      }
    },
  };
}

/** Pipes a caller's bytes in. A command that does not read them is no error; bytes that break off end its input. */
export function feed(from: Readable, to: Writable): void {
  finished(from).catch(() => to.destroy());
  finished(to).catch(() => from.destroy());
  from.pipe(to);
}
