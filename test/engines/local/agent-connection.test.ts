import { once } from "node:events";
import { createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AgentConnection, openAgentConnection } from "../../../src/engines/local/agent-connection";
import { FRAME, frame, numbersFrame, RESET_BYTES } from "../../../src/engines/local/agent-frames";

const HEADER_BYTES = 9;
const LINE = { argv: ["true"], env: [], cwd: "/", uid: 0, gid: 0 };

let server: Server;
let agent: Socket;
let ours: Socket;
let said: Buffer;

beforeEach(async () => {
  server = createServer().listen(join(tmpdir(), `oc-agent-${process.pid}-${Math.random()}.sock`));
  await once(server, "listening");
  const accepted = once(server, "connection");
  ours = new Socket().connect(String(server.address()));
  [agent] = (await accepted) as [Socket];
  said = Buffer.alloc(0);
  agent.on("data", (chunk: Buffer) => {
    said = Buffer.concat([said, chunk]);
  });
});
afterEach(() => {
  ours.destroy();
  agent.destroy();
  server.close();
});

const heard = async (bytes: number) => {
  while (said.length < bytes) await once(agent, "data");
};
/** Types of the frames that came. */
const types = () => {
  const found: number[] = [];
  for (let at = 0; at + HEADER_BYTES <= said.length; at += HEADER_BYTES + said.readUInt32LE(at + 5)) {
    found.push(said.readUInt8(at));
  }
  return found;
};
const hearing = async (wanted: readonly number[]) => {
  while (types().length < wanted.length) await once(agent, "data");
  expect(types()).toEqual(wanted);
};
const open = (isUsed: boolean): AgentConnection =>
  openAgentConnection({ from: ours, to: ours, isUsed }, () => undefined);

test("what an agent still says to those before us is skipped, however it is cut", async () => {
  const connection = open(true);
  const command = connection.start(LINE, undefined);
  await heard(HEADER_BYTES + RESET_BYTES);
  const mark = said.subarray(HEADER_BYTES, HEADER_BYTES + RESET_BYTES);
  const old = Buffer.concat([Buffer.from("rest of a frame"), numbersFrame(FRAME.exited, 1, 5, 0), mark.subarray(0, 9)]);
  const bytes = Buffer.concat([old, mark, frame(FRAME.started, 1), numbersFrame(FRAME.exited, 1, 7, 0)]);
  for (const byte of bytes) agent.write(Buffer.from([byte]));
  expect(await command.started).toEqual({ kind: "started" });
  expect(await command.exited).toEqual({ code: 7, signal: 0 });
});

test("while it is held an agent hears nothing, and is heard; then it hears all", async () => {
  const connection = open(false);
  const command = connection.start(LINE, undefined);
  agent.write(frame(FRAME.started, 1));
  await command.started;
  const done = connection.hold(async () => {
    connection.start(LINE, undefined);
    agent.write(numbersFrame(FRAME.exited, 1, 0, 0));
    expect(await command.exited).toEqual({ code: 0, signal: 0 });
    expect(types()).toEqual([FRAME.start, FRAME.sync]);
  });
  await hearing([FRAME.start, FRAME.sync]);
  agent.write(frame(FRAME.synced, 0));
  await done;
  await hearing([FRAME.start, FRAME.sync, FRAME.start]);
});

test("work that fails while an agent is held lets it hear again", async () => {
  const connection = open(false);
  const failed = expect(connection.hold(() => Promise.reject(new Error("no luck")))).rejects.toThrow("no luck");
  await hearing([FRAME.sync]);
  agent.write(frame(FRAME.synced, 0));
  await failed;
  connection.start(LINE, undefined);
  await hearing([FRAME.sync, FRAME.start]);
});

test.each([
  ["starts twice", [frame(FRAME.started, 1), frame(FRAME.started, 1)]],
  ["is refused after its start", [frame(FRAME.started, 1), numbersFrame(FRAME.refused, 1, 0)]],
  ["ends twice", [frame(FRAME.started, 1), numbersFrame(FRAME.exited, 1, 0, 0), numbersFrame(FRAME.exited, 1, 0, 0)]],
])("a command that %s makes no sense: the connection ends, and nothing is held", async (_, frames) => {
  const connection = open(false);
  const input = new PassThrough();
  const command = connection.start(LINE, input);
  for (const one of frames) agent.write(one);
  await once(ours, "close");
  expect(connection.isOpen()).toBe(false);
  await command.done;
  expect(input.listenerCount("data")).toBe(0);
});
