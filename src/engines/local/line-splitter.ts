import { StringDecoder } from "node:string_decoder";

/** Longest line handed on; the rest of a longer one follows as lines of its own. */
export const MAX_LINE_CHARS = 4096;

/** Cuts a stream of bytes into lines. */
export interface LineSplitter {
  push(chunk: Uint8Array): void;
  /** Hands on what stands without a line end. */
  end(): void;
}

/**
 * Lines of output as a log shows them: characters that were cut between chunks are whole, `\r\n` is a line end, and of a
 * progress bar that draws over itself with `\r` the last state remains. Holds at most one line in memory.
 */
export function createLineSplitter(onLine: (line: string) => void): LineSplitter {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const consume = (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) emit(line, onLine);
    if (rest.length > MAX_LINE_CHARS) rest = cutOpenLine(rest, onLine);
  };
  return {
    push: (chunk) => consume(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end() {
      consume(decoder.end());
      if (rest !== "") emit(rest, onLine);
      rest = "";
    },
  };
}

function emit(line: string, onLine: (line: string) => void): void {
  let text = lastState(line.replace(/\r+$/, ""));
  while (text.length > MAX_LINE_CHARS) {
    const end = safeCut(text);
    onLine(text.slice(0, end));
    text = text.slice(end);
  }
  onLine(text);
}

/** A line without an end in sight: what is drawn over is dropped, what is too long is handed on. */
function cutOpenLine(line: string, onLine: (line: string) => void): string {
  // A final \r may still turn out to be half of \r\n.
  let text = line.endsWith("\r") ? line : lastState(line);
  while (text.length > MAX_LINE_CHARS) {
    const end = safeCut(text);
    onLine(text.slice(0, end));
    text = text.slice(end);
  }
  return text;
}

function lastState(line: string): string {
  return line.slice(line.lastIndexOf("\r") + 1);
}

/** Does not part the two halves of a character outside the basic plane. */
function safeCut(text: string): number {
  const code = text.charCodeAt(MAX_LINE_CHARS - 1);
  return code >= 0xd800 && code <= 0xdbff ? MAX_LINE_CHARS - 1 : MAX_LINE_CHARS;
}
