import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openAgentConnection } from "../../../src/engines/local/agent-connection";
import {
  type AgentEvent,
  createFrameReader,
  FRAME,
  frame,
  numbersFrame,
} from "../../../src/engines/local/agent-frames";

/**
 * Whoever is root inside may speak for the agent. Whatever he says, in whatever pieces, is understood or ends the
 * connection; nobody waits for ever, and nothing throws.
 */
const SEED = 20_26;
const id = fc.integer({ min: 0, max: 3 });
const number = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.constantFrom(2 ** 31, 2 ** 32 - 1, 512 * 1024, 512 * 1024 + 1),
);
const said: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(FRAME.started, FRAME.done, FRAME.synced), id)
      .map(([type, one]) => frame(type, one)),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(FRAME.stdout, FRAME.stderr), id, fc.uint8Array({ minLength: 1, maxLength: 300 }))
      .map(([type, one, bytes]) => frame(type, one, bytes)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(FRAME.refused, FRAME.stdinCredit), id, number)
      .map(([type, one, value]) => numbersFrame(type, one, value)),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(id, number, number).map(([one, code, signal]) => numbersFrame(FRAME.exited, one, code, signal)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(255), id, number)
      .map(([type, one, value]) => numbersFrame(type, one, value, value, value)),
  },
);
const speech = fc.array(said, { maxLength: 30 }).map((parts) => Buffer.concat(parts));

/** What is understood of it, pieces of one output put together; "refused" where it makes no sense. */
function understood(bytes: Buffer, cuts: readonly number[]): unknown[] {
  const events: AgentEvent[] = [];
  const reader = createFrameReader((event) => events.push(event) > 0);
  const at = [0, ...[...cuts].sort((one, other) => one - other), bytes.length];
  let isRefused = false;
  for (let part = 0; part + 1 < at.length && !isRefused; part++)
    isRefused = !reader.read(bytes.subarray(at[part], at[part + 1]));
  const whole: unknown[] = [];
  let open: { type: string; id: number; text: string } | undefined;
  for (const event of events) {
    if (!("bytes" in event) || typeof event.bytes === "number") {
      open = undefined;
      whole.push(event);
      continue;
    }
    const text = event.bytes.toString("latin1");
    if (open?.type === event.type && open.id === event.id) {
      open.text += text;
      continue;
    }
    open = { type: event.type, id: event.id, text };
    whole.push(open);
  }
  return isRefused ? [...whole, "refused"] : whole;
}

test("what is said means the same in any pieces", () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
  const law = fc.property(speech, cuts, (bytes, places) => {
    const at = places.map((place) => Math.floor(place * bytes.length));
    expect(understood(bytes, at)).toEqual(understood(bytes, []));
  });
  fc.assert(law, { seed: SEED, numRuns: 2_000 });
});

test("whatever an agent says, every command comes to an end with its connection", async () => {
  const server = createServer().listen(join(tmpdir(), `oc-garbage-${process.pid}.sock`));
  await once(server, "listening");
  const law = fc.asyncProperty(speech, async (bytes) => {
    const accepted = once(server, "connection");
    const ours = new Socket().connect(String(server.address()));
    const [agent] = (await accepted) as [Socket];
    agent.on("error", () => undefined).resume();
    const connection = openAgentConnection({ from: ours, to: ours, isUsed: false }, () => undefined);
    const line = { argv: ["true"], env: [], cwd: "/", uid: 0, gid: 0 };
    const commands = [connection.start(line, undefined), connection.start(line, new PassThrough())];
    for (const { stdout, stderr } of commands) for (const stream of [stdout, stderr]) stream.resume();
    agent.end(bytes);
    for (const { started, exited, done } of commands) await Promise.all([started, exited, done]);
    expect(connection.isOpen()).toBe(false);
    agent.destroy();
  });
  await fc.assert(law, { seed: SEED, numRuns: 300 });
  server.close();
});
