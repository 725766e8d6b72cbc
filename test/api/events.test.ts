import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvents, encodeEvent, KEEPALIVE, type StreamEvent } from "../../src/api/events";

async function decode(chunks: readonly (string | Uint8Array)[]): Promise<StreamEvent[]> {
  async function* bytes() {
    for (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
  }
  const events: StreamEvent[] = [];
  for await (const event of decodeEvents(bytes())) events.push(event);
  return events;
}

const LOG: StreamEvent = { kind: "build_log", data: { step: 1, type: "run", message: 'héllo 😀\n"quoted"' } };
const RESULT: StreamEvent = { kind: "result", data: { id: "x" } };
const TEXT = encodeEvent("build_log", LOG.data) + KEEPALIVE + encodeEvent("result", RESULT.data);

describe("the build stream", () => {
  it("reads what it writes, wherever the chunks are cut, also inside a character", async () => {
    const bytes = Buffer.from(TEXT);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length)), async (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        expect(await decode(chunks)).toEqual([LOG, RESULT]);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ["CRLF", TEXT.replaceAll("\n", "\r\n")],
    ["no space after the colon", TEXT.replaceAll(": ", ":")],
    ["comments and unknown events around it", `: hi\n\nevent: ping\ndata: {}\n\n${TEXT}event: later\ndata: 1\n\n`],
  ])("reads %s", async (_name, text) => {
    expect(await decode([text])).toEqual([LOG, RESULT]);
  });

  it.each<[string, string, StreamEvent[]]>([
    ["a result that the end cuts off is none", 'event: result\ndata: {"id":1}\n', []],
    ["an event without data is none", "event: result\n\n", []],
    [
      "a log line that is not JSON is shown as it is",
      "event: build_log\ndata: step 1/2\n\n",
      [{ kind: "build_log", data: { step: 0, type: "build", message: "step 1/2" } }],
    ],
    [
      "an error that is not JSON is told as it is",
      "event: error\ndata: boom\n\n",
      [{ kind: "error", data: { error: "boom" } }],
    ],
  ])("%s", async (_name, text, expected) => {
    expect(await decode([text])).toEqual(expected);
  });

  it("refuses a result that is not JSON", async () => {
    await expect(decode(["event: result\ndata: <html>\n\n"])).rejects.toMatchObject({ code: "protocol" });
  });
});
