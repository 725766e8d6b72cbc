import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { socketChannel } from "../../../src/engines/local/agent-channel";
import { FRAME, frame, numbersFrame } from "../../../src/engines/local/agent-frames";
import { createAgents } from "../../../src/engines/local/agents";

const LINE = { argv: ["x"], env: [], cwd: "/", uid: 0, gid: 0 };
let made: Socket[] = [];
/** Both ends of a socket: ours, and the agent's. */
let pair: () => Promise<readonly [Socket, Socket]>;
let close: () => void;

beforeEach(async () => {
  made = [];
  const path = join(tmpdir(), `oc-agents-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  pair = async () => {
    const ours = createConnection(path);
    const [theirs] = (await once(server, "connection")) as [Socket];
    made.push(ours, theirs);
    return [ours, theirs.on("error", () => undefined)];
  };
  close = () => server.close();
});
afterEach(() => {
  for (const socket of made) socket.destroy();
  close();
});

test("one connection is made, however many ask; another one when it is lost", async () => {
  const theirs: Socket[] = [];
  const agents = createAgents(async () => {
    const [our, their] = await pair();
    theirs.push(their);
    return socketChannel(our);
  });
  const [one, two] = await Promise.all([agents.of("sb"), agents.of("sb")]);
  expect(one).toBe(two);
  expect(await agents.of("sb")).toBe(one);
  theirs[0]?.destroy();
  await pause(20);
  expect(one?.isOpen()).toBe(false);
  expect(await agents.of("sb")).not.toBe(one);
  expect(theirs).toHaveLength(2);
  agents.close();
});

test("what cannot be connected is asked again by the next one", async () => {
  let attempts = 0;
  const agents = createAgents(async () => {
    attempts += 1;
    throw new Error("not running");
  });
  for (const attempt of [1, 2]) {
    await expect(agents.of("sb")).rejects.toThrow("not running");
    expect(attempts).toBe(attempt);
  }
});

test.each([
  ["garbage", Buffer.alloc(64, 0xee)],
  ["the end of a command that nobody started", frame(FRAME.done, 77)],
  ["more input credit than there was input", numbersFrame(FRAME.stdinCredit, 1, 1)],
])("%s ends the connection and its commands", async (_, bytes) => {
  const [our, their] = await pair();
  const agents = createAgents(async () => {
    throw new Error("none");
  });
  agents.adopt("sb", socketChannel(our));
  const command = (await agents.of("sb")).start(LINE, undefined);
  their.write(frame(FRAME.started, 1));
  expect(await command.started).toEqual({ kind: "started" });
  their.write(bytes);
  expect(await command.exited).toBeNull();
  await command.done;
  for (const stream of [command.stdout, command.stderr]) for await (const _chunk of stream) expect.fail("no output");
});

test("a command that is forgotten is over for its caller; what still comes of it does no harm", async () => {
  const [our, their] = await pair();
  const agents = createAgents(async () => {
    throw new Error("none");
  });
  agents.adopt("sb", socketChannel(our));
  const connection = await agents.of("sb");
  const command = connection.start(LINE, undefined);
  their.write(frame(FRAME.started, 1));
  await command.started;
  command.forget();
  await command.done;
  expect(await command.exited).toBeNull();
  their.write(
    Buffer.concat([
      frame(FRAME.stdout, 1, Buffer.alloc(1000)),
      numbersFrame(FRAME.exited, 1, 0, 0),
      frame(FRAME.done, 1),
    ]),
  );
  await pause(20);
  expect(connection.isOpen()).toBe(true);
});

test("a connection that is made while its container ends is closed and kept by nobody", async () => {
  let connected = () => {};
  const wait = new Promise<void>((resolve) => {
    connected = resolve;
  });
  let attempts = 0;
  const agents = createAgents(async () => {
    attempts += 1;
    if (attempts === 1) await wait;
    return socketChannel((await pair())[0]);
  });
  const late = agents.of("sb");
  agents.drop("sb");
  connected();
  expect((await late).isOpen()).toBe(false);
  expect((await agents.of("sb")).isOpen()).toBe(true);
  expect(attempts).toBe(2);
  agents.close();
});
