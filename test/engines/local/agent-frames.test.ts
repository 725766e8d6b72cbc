import { expect, test } from "vitest";
import {
  type AgentEvent,
  createFrameReader,
  FRAME,
  FRAME_DATA_BYTES,
  frame,
  header,
  numbersFrame,
  startFrame,
} from "../../../src/engines/local/agent-frames";

function reading() {
  const events: AgentEvent[] = [];
  const reader = createFrameReader((event) => {
    events.push(event);
    return true;
  });
  return { events, reader };
}

const LIFE = Buffer.concat([
  frame(FRAME.started, 7),
  frame(FRAME.stdout, 7, Buffer.from("some output")),
  frame(FRAME.stderr, 8, Buffer.from("of another")),
  numbersFrame(FRAME.stdinCredit, 7, 4096),
  numbersFrame(FRAME.exited, 7, 137, 9),
  frame(FRAME.done, 7),
  numbersFrame(FRAME.refused, 9, 0),
]);

/** Output by stream and command, everything else as it comes. */
function told(events: readonly AgentEvent[]) {
  const text = (type: string, id: number) =>
    events.map((event) =>
      event.type === type && "id" in event && event.id === id && "bytes" in event ? `${event.bytes}` : "",
    );
  return {
    stdout: text("stdout", 7).join(""),
    stderr: text("stderr", 8).join(""),
    rest: events.filter(({ type }) => type !== "stdout" && type !== "stderr"),
  };
}

test.each([1, 2, 3, 8, 9, 10, 50, LIFE.length])("frames are read in parts of %d bytes", (size) => {
  const { events, reader } = reading();
  for (let at = 0; at < LIFE.length; at += size) expect(reader.read(LIFE.subarray(at, at + size))).toBe(true);
  expect(told(events)).toEqual({
    stdout: "some output",
    stderr: "of another",
    rest: [
      { type: "started", id: 7 },
      { type: "stdin-credit", id: 7, bytes: 4096 },
      { type: "exited", id: 7, code: 137, signal: 9 },
      { type: "done", id: 7 },
      { type: "refused", id: 9, errno: 0 },
    ],
  });
});

test.each([
  ["a type that nobody sends", header(99, 1, 0)],
  ["a frame that is for agents", startFrame(1, { argv: ["a"], env: [], cwd: "/", uid: 0, gid: 0, hasInput: false })],
  ["more output than a frame holds", header(FRAME.stdout, 1, FRAME_DATA_BYTES + 1)],
  ["no output", header(FRAME.stderr, 1, 0)],
  ["an end with too much to say", header(FRAME.exited, 1, 9)],
  ["a start with something to say", header(FRAME.started, 1, 0xffffffff)],
])("%s ends the reading", (_, bytes) => {
  const { events, reader } = reading();
  expect(reader.read(bytes ?? Buffer.alloc(0))).toBe(false);
  expect(events).toEqual([]);
});

test("so does whoever hears of it and finds no sense in it", () => {
  expect(createFrameReader(() => false).read(frame(FRAME.done, 1))).toBe(false);
});

test("a command line that no agent takes is none", () => {
  const line = { env: [], cwd: "/", uid: 0, gid: 0, hasInput: false };
  expect(startFrame(1, { ...line, argv: ["x".repeat(5 << 20)] })).toBeNull();
});
