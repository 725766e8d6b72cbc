import { PassThrough, type Readable, type Writable } from "node:stream";
import { finished } from "node:stream/promises";

/** An output of a command on its way to whoever reads it. */
export interface OutputStream {
  /** What the reader gets; it ends when the command's output does, or when {@link OutputStream.end} is called. */
  readonly output: PassThrough;
  /** Ends when all that came has been handed on and nothing came for a while, or when the source ends. */
  drained(): Promise<void>;
  /** Ends the output, whether or not somebody still holds the source open. */
  end(): void;
}

const QUIET_MS = 200;
const CHECK_MS = 25;

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
    source.destroy();
  };
  // A source that breaks off ends its output, too; pipe() alone would leave the reader waiting.
  void ended.then(end);
  return {
    output,
    end,
    async drained() {
      let quietSince = Date.now();
      let seen = received;
      while (!over && Date.now() - quietSince < QUIET_MS) {
        await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, CHECK_MS))]);
        const idle = seen === received && source.readableLength === 0 && output.readableLength === 0;
        if (!idle) quietSince = Date.now();
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
