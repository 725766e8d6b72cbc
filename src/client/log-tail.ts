import { open, stat } from "node:fs/promises";
import { z } from "zod";
import type { ErrorJson } from "../errors";

/** What a line of the server's log tells a program that waits for the server. */
export interface LogLine {
  /** The line as it is. */
  readonly text: string;
  /** Set while slow parts of the start go on: one line for people. */
  readonly progress?: string;
  /** Why the server gave up. */
  readonly fatal?: ErrorJson;
}

const lineSchema = z.object({
  progress: z.string().optional().catch(undefined),
  fatal: z.object({ error: z.string() }).loose().optional().catch(undefined),
});

/** The end of a log that is looked through for progress: a start says little between two lines of it. */
const END_BYTES = 65_536;

/** The last progress that a log tells of. */
export async function lastProgress(file: string): Promise<string | undefined> {
  const tail = await LogTail.fromEnd(file, END_BYTES);
  return (await tail.read()).findLast(({ progress }) => progress !== undefined)?.progress;
}

/** Reads what is added to a log file from now on. */
export class LogTail {
  private rest = "";

  private constructor(
    private readonly file: string,
    private offset: number,
  ) {}

  /** Begins at the file's present end, or so many bytes before; a file that is not there yet is read from its start. */
  static async fromEnd(file: string, beforeBytes = 0): Promise<LogTail> {
    return new LogTail(file, Math.max(0, (await sizeOf(file)) - beforeBytes));
  }

  /** The whole lines that were added since the last call. */
  async read(): Promise<LogLine[]> {
    const size = await sizeOf(this.file);
    if (size < this.offset) this.offset = 0;
    if (size === this.offset) return [];
    const lines = (this.rest + (await this.readBytes(size))).split("\n");
    this.rest = lines.pop() ?? "";
    return lines.filter((line) => line !== "").map(toLogLine);
  }

  private async readBytes(end: number): Promise<string> {
    const handle = await open(this.file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - this.offset), { position: this.offset });
      this.offset += bytesRead;
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await handle.close();
    }
  }
}

/** Lines that are not JSON are what a crashing runtime prints: text without a meaning for programs. */
function toLogLine(text: string): LogLine {
  try {
    const { progress, fatal } = lineSchema.parse(JSON.parse(text));
    return { text, ...(progress ? { progress } : {}), ...(fatal ? { fatal: fatal as ErrorJson } : {}) };
  } catch {
    return { text };
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}
