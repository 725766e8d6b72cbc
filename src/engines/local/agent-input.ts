import type { Readable } from "node:stream";
import { FRAME_DATA_BYTES, WINDOW_BYTES } from "./agent-frames";

/** The input of a command on its way from a caller to an agent. */
export interface AgentInput {
  /** The agent takes so many bytes in addition; false where that is more than it was sent. */
  addCredit(bytes: number): boolean;
  /** The command is over: whatever else the caller has is not read. */
  stop(): void;
}

/** Where the input of a command goes. */
export interface InputSink {
  send(bytes: Buffer): void;
  end(): void;
}

/** Sends a caller's bytes as far as the agent takes them. Bytes that break off end the command's input. */
export function createAgentInput(source: Readable, sink: InputSink): AgentInput {
  let credit = WINDOW_BYTES;
  let rest: Buffer = Buffer.alloc(0);
  let isOver = false;
  const close = () => {
    isOver = true;
    source.off("readable", advance).off("end", advance).off("close", advance);
  };
  const next = () => {
    // An empty chunk is not the end of what is there.
    for (let chunk: unknown; rest.length === 0; rest = toBuffer(chunk)) {
      chunk = source.read();
      if (chunk === null) break;
    }
    return rest.subarray(0, Math.min(credit, FRAME_DATA_BYTES));
  };
  const advance = () => {
    while (!isOver) {
      const bytes = next();
      if (bytes.length === 0) break;
      rest = rest.subarray(bytes.length);
      credit -= bytes.length;
      sink.send(bytes);
    }
    if (isOver || rest.length > 0 || !(source.readableEnded || source.destroyed)) return;
    close();
    sink.end();
  };
  source.on("readable", advance).on("end", advance).on("close", advance).on("error", ignore);
  advance();
  return {
    addCredit(bytes) {
      if (bytes > WINDOW_BYTES - credit) return false;
      credit += bytes;
      advance();
      return true;
    },
    stop() {
      close();
      if (!source.readableEnded) source.destroy();
    },
  };
}

/** Its end is told by "close", too. */
function ignore(): void {}

/** What callers hand in may be text, or chunks of a stream in object mode. */
function toBuffer(chunk: unknown): Buffer {
  return typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk as Uint8Array);
}
