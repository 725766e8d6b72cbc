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
 * progress bar that draws over itself with `\r` the last state remains. Holds at most one line in memory, and hands on
 * what is too long as soon as it is, so that the lines never depend on where the chunks were cut.
 */
export function createLineSplitter(onLine: (line: string) => void): LineSplitter {
  const decoder = new StringDecoder("utf8");
  let line = "";
  // What follows a \r decides what it was: half of a line end, or the beginning of another state.
  let returned = false;
  const consume = (text: string) => {
    for (const [token] of text.matchAll(/[^\r\n]+|\r|\n/g)) {
      if (token === "\n") {
        onLine(line);
        line = "";
      } else if (token !== "\r") {
        line = handOnLong(returned ? token : line + token, onLine);
      }
      returned = token === "\r";
    }
  };
  return {
    push: (chunk) => consume(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end() {
      consume(decoder.end());
      if (line !== "") onLine(line);
      line = "";
    },
  };
}

function handOnLong(line: string, onLine: (line: string) => void): string {
  let rest = line;
  while (rest.length > MAX_LINE_CHARS) {
    const end = safeCut(rest);
    onLine(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return rest;
}

/** Does not part the two halves of a character outside the basic plane. */
function safeCut(text: string): number {
  const code = text.charCodeAt(MAX_LINE_CHARS - 1);
  return code >= 0xd800 && code <= 0xdbff ? MAX_LINE_CHARS - 1 : MAX_LINE_CHARS;
}
