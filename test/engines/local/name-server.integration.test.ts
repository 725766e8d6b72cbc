import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type DecodedPacket, decode, encode, type Question } from "dns-packet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toAllowList } from "../../../src/engines/local/allow-list";
import { lowerHostNetwork, raiseHostNetwork } from "../../../src/engines/local/firewall";
import { HOST_ADDRESS } from "../../../src/engines/local/firewall-rules";
import { createNameServer, type NameServer } from "../../../src/engines/local/name-server";
import { type Outside, startOutside } from "../../fixtures/outside";

let outside: Outside;
let server: NameServer;
let admitted: string[] = [];
beforeAll(async () => {
  outside = await startOutside();
  await raiseHostNetwork();
  server = createNameServer([outside.resolver]);
  const { allowsName } = toAllowList(["*.test", "*.below.test"], () => true);
  const admit = async (addresses: readonly string[]) => {
    if (addresses.includes(outside.addresses[1])) throw new Error("the firewall does not answer");
    admitted = [...admitted, ...addresses];
  };
  const mayReach = (address: string) => address.startsWith("198.18.");
  server.serve(HOST_ADDRESS, { allowsName, mayReach, admit });
});
afterAll(async () => {
  await server.close();
  await lowerHostNetwork();
  await outside.close();
});

test.each<[question: Question, rcode: string, answers: () => string[]]>([
  [{ type: "A", name: "First.Test" }, "NOERROR", () => [outside.addresses[0]]],
  [{ type: "AAAA", name: "first.test" }, "NOERROR", () => []],
  [{ type: "TXT", name: "first.test" }, "NOERROR", () => []],
  [{ type: "UNKNOWN_65" as "A", name: "first.test" }, "NOERROR", () => []],
  [{ type: "A", name: "first.test", class: "CH" }, "NOERROR", () => []],
  [{ type: "A", name: "unknown.test" }, "NXDOMAIN", () => []],
  [{ type: "A", name: "first.example" }, "NXDOMAIN", () => []],
  [{ type: "A", name: "." }, "NXDOMAIN", () => []],
  [{ type: "A", name: "inward.test" }, "NOERROR", () => []],
  [{ type: "A", name: "second.test" }, "SERVFAIL", () => []],
])("%j is answered with %s", async (question, rcode, answers) => {
  admitted = [];
  const { questions, ...packet } = await ask(question);
  expect(packet).toMatchObject({ type: "response", id: 4711, rcode, flag_rd: true, flag_ra: true });
  expect(questions).toMatchObject([question]);
  expect(packet.answers).toMatchObject(answers().map((data) => ({ type: "A", name: question.name, ttl: 300, data })));
  expect(admitted).toEqual(answers());
});

test("as many addresses as every client can take, and no more are let through than are told", async () => {
  admitted = [];
  const { answers = [] } = await ask({ type: "A", name: "many.test" });
  expect(answers.length).toBeGreaterThan(10);
  expect(answers.length).toBeLessThan(41);
  expect(admitted).toHaveLength(answers.length);
});

test("strangers, noise and answers get no answer, and disturb nobody", async () => {
  const question = { type: "A", name: "first.test" } as const;
  expect(await exchange([message(question)], { from: "127.0.0.1", waitMs: 300 })).toEqual([]);
  const noise = [
    Buffer.alloc(0),
    Buffer.from("not a question at all"),
    message(question).subarray(0, 20),
    // A name that points to itself.
    Buffer.concat([message(question).subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]),
    encode({ type: "query", id: 1, questions: [question, question] }),
    encode({ type: "response", id: 1, questions: [question] }),
    encode({ type: "query", id: 1 }),
  ];
  expect(await exchange(noise, { waitMs: 300 })).toEqual([]);
  expect(await ask(question)).toMatchObject({ rcode: "NOERROR" });
});

test("one client waits for a bounded number of answers; it is told in time that there will be none", async () => {
  const questions = Array.from({ length: 40 }, (_, index) => message({ type: "A", name: "lame.test" }, index));
  const start = performance.now();
  const replies = await exchange(questions, { count: 40, waitMs: 10_000 });
  expect(new Set(replies.map(({ rcode }) => rcode))).toEqual(new Set(["SERVFAIL"]));
  expect(replies.map(({ id }) => id).slice(0, 8)).toEqual([32, 33, 34, 35, 36, 37, 38, 39]);
  expect(replies).toHaveLength(40);
  expect(performance.now() - start).toBeLessThan(5_500);
});

const message = (question: Question, id = 4711) => encode({ type: "query", id, flags: 0x100, questions: [question] });

type Reply = DecodedPacket & { readonly rcode: string };

async function ask(question: Question): Promise<Reply> {
  const [reply] = await exchange([message(question)], { count: 1, waitMs: 5_000 });
  if (!reply) throw new Error("no answer");
  return reply;
}

/** Sends messages and returns what comes back, until so many came or the time is up. */
async function exchange(
  messages: readonly Buffer[],
  { from = HOST_ADDRESS, count = Number.POSITIVE_INFINITY, waitMs }: { from?: string; count?: number; waitMs: number },
): Promise<Reply[]> {
  const port = await server.port();
  const socket: Socket = createSocket("udp4");
  socket.bind(0, from);
  await once(socket, "listening");
  const replies: Reply[] = [];
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    socket.on("message", (reply) => {
      if (replies.push(decode(reply) as Reply) < count) return;
      clearTimeout(timer);
      resolve();
    });
    for (const one of messages) socket.send(one, port, HOST_ADDRESS);
  });
  socket.close();
  return replies;
}
