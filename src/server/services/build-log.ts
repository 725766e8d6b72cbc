import { EventEmitter, once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import type { BuildEvent } from "../../engines/engine";
import { isMissingFile } from "./missing-file";

/** What commands print is kept up to this many bytes; a build that prints for ever does not fill the disk. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 64 * 1024;
/** A step may print a million lines: those of one moment are written together. */
const WRITE_BYTES = 64 * 1024;

/**
 * The log of one build, one JSON event a line, appended as it comes. Readers read the file, each at its own pace, so no
 * log is ever whole in memory however many read and however slowly.
 */
export class BuildLog {
  private readonly changed = new EventEmitter().setMaxListeners(0);
  private readonly fd: number;
  /** What is in the file. */
  private sizeBytes = 0;
  /** What is not there yet. */
  private pending: string[] = [];
  private pendingLength = 0;
  private closed = false;
  private full = false;
  /** Nothing comes after a line that could not be written: a log ends early, and never in the middle. */
  private broken = false;

  constructor(readonly path: string) {
    this.fd = openSync(path, "a", 0o600);
  }

  /** Appends an event, in the order of calls; it is in the file a moment later. */
  append(event: BuildEvent): void {
    if (this.closed || this.broken || (this.full && event.stream !== undefined)) return;
    this.line(event);
    if (this.full || this.sizeBytes + this.pendingLength <= MAX_OUTPUT_BYTES) return;
    this.full = true;
    this.line({ step: event.step, type: event.type, message: "… the rest of what commands print is not kept" });
  }

  /** Ends the log: readers that caught up are done. */
  close(): void {
    if (this.closed) return;
    this.write();
    this.closed = true;
    closeSync(this.fd);
    this.changed.emit("change");
  }

  /** All events from number `from` (0 is the first), then live until the log is closed or the signal fires. */
  async *read(from: number, signal: AbortSignal): AsyncGenerator<BuildEvent> {
    const lines = readLines(this.path, async (position) => {
      if (position < this.sizeBytes) return true;
      if (this.closed) return false;
      // No await stands between the looks above and listening here, so no change is missed.
      await once(this.changed, "change", { signal });
      return true;
    });
    yield* parseEvents(lines, from);
  }

  private line(event: BuildEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    if (this.pending.length === 0) setImmediate(() => this.write());
    this.pending.push(line);
    this.pendingLength += line.length;
    if (this.pendingLength >= WRITE_BYTES) this.write();
  }

  private write(): void {
    if (this.pending.length === 0) return;
    const text = this.pending.join("");
    this.pending = [];
    this.pendingLength = 0;
    try {
      const written = writeSync(this.fd, text);
      this.sizeBytes += written;
      this.broken = written < Buffer.byteLength(text);
    } catch {
      // A disk that is full fails the build in its own words.
      this.broken = true;
    }
    this.changed.emit("change");
  }
}

/** The events of a finished build's log, from number `from`; none where the file is gone. */
export async function* readBuildLog(path: string, from: number): AsyncGenerator<BuildEvent> {
  yield* parseEvents(
    readLines(path, async () => false),
    from,
  );
}

async function* parseEvents(lines: AsyncGenerator<string>, from: number): AsyncGenerator<BuildEvent> {
  let index = 0;
  for await (const line of lines) {
    if (index >= from) yield JSON.parse(line);
    index += 1;
  }
}

/** Complete lines of a file; at its end `wait` says whether to look again. */
async function* readLines(path: string, wait: (position: number) => Promise<boolean>): AsyncGenerator<string> {
  const file = await open(path, "r").catch((error: unknown) => {
    if (isMissingFile(error)) return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    let position = 0;
    let rest = Buffer.alloc(0);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) {
        if (!(await wait(position))) return;
        continue;
      }
      position += bytesRead;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        yield rest.toString("utf8", 0, end);
        rest = rest.subarray(end + 1);
      }
    }
  } finally {
    await file.close();
  }
}
