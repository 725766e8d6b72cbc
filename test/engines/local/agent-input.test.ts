import { PassThrough, Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { FRAME_DATA_BYTES, WINDOW_BYTES } from "../../../src/engines/local/agent-frames";
import { createAgentInput } from "../../../src/engines/local/agent-input";

function feeding(source: Readable) {
  const sent: Buffer[] = [];
  const sink = {
    ended: 0,
    bytes: () => Buffer.concat(sent),
    largest: () => Math.max(...sent.map((part) => part.length)),
  };
  const input = createAgentInput(source, {
    send: (bytes) => sent.push(bytes),
    end: () => {
      sink.ended += 1;
    },
  });
  return { input, sink };
}

test.each([
  ["bytes", [Buffer.from("one"), Buffer.from("two")], "onetwo"],
  ["text", ["one", "two"], "onetwo"],
  [
    "empty parts",
    [Buffer.alloc(0), Buffer.from("one"), Buffer.alloc(0), Buffer.alloc(0), Buffer.from("two")],
    "onetwo",
  ],
  ["nothing", [], ""],
])("%s: all of it, then one end", async (_, parts, expected) => {
  const { sink } = feeding(Readable.from(parts));
  await pause(20);
  expect([`${sink.bytes()}`, sink.ended]).toEqual([expected, 1]);
});

test("no more than the agent takes, in frames that it takes", async () => {
  const source = Readable.from([Buffer.alloc(3 * WINDOW_BYTES, "x")]);
  const { input, sink } = feeding(source);
  await pause(20);
  expect([sink.bytes().length, sink.largest(), sink.ended]).toEqual([WINDOW_BYTES, FRAME_DATA_BYTES, 0]);
  for (const _ of [1, 2]) expect(input.addCredit(WINDOW_BYTES)).toBe(true);
  await pause(20);
  expect([sink.bytes().length, sink.ended]).toEqual([3 * WINDOW_BYTES, 1]);
});

test("credit for what was never sent is refused", () => {
  const { input } = feeding(new PassThrough());
  expect(input.addCredit(1)).toBe(false);
});

test("bytes that break off end the input", async () => {
  const source = new PassThrough();
  const { sink } = feeding(source);
  source.write("part");
  await pause(20);
  source.destroy(new Error("the sender died"));
  await pause(20);
  expect([`${sink.bytes()}`, sink.ended]).toEqual(["part", 1]);
});

test("when the command is over nothing more is sent, and the caller is let go", async () => {
  const source = new PassThrough();
  const { input, sink } = feeding(source);
  input.stop();
  expect(source.destroyed).toBe(true);
  await pause(20);
  expect([sink.bytes().length, sink.ended]).toEqual([0, 0]);
});
