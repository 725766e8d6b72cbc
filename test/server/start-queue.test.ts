import { afterEach, beforeEach, expect, it } from "vitest";
import {
  bodyOf,
  createTestServer,
  EVENTS,
  image,
  listOf,
  readEvents,
  STARTS_AT_ONCE,
  type TestServer,
  until,
} from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
  const built = await server.request("POST", "/api/sandboxes", { json: { image: image("print a") } });
  await server.request("DELETE", `/api/sandboxes/${(await bodyOf(built))["sandboxID"]}`);
  server.engine.holdCreates = "gate";
});
afterEach(async () => {
  server.engine.release("gate");
  await server.close();
});

const create = (options: { key?: string; accept?: string; signal?: AbortSignal } = {}) =>
  server.request("POST", "/api/sandboxes", { json: { image: image("print a") }, ...options });

/** As many as may start at a time, and no more of them. */
async function fill(): Promise<Promise<Response>[]> {
  const starting = Array.from({ length: STARTS_AT_ONCE }, () => create());
  await until("full", () => server.engine.sandboxes.size === STARTS_AT_ONCE);
  return starting;
}

it("a crowd starts a few at a time, and all of it; one who waits is told how many are before it", async () => {
  const starting = await fill();
  const told = readEvents(await create({ accept: EVENTS }));
  const more = Array.from({ length: 50 }, () => create());
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.engine.sandboxes.size).toBe(STARTS_AT_ONCE);
  server.engine.release("gate");
  const statuses = (await Promise.all([...starting, ...more])).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([201]));
  const messages = (await told).map(({ data }) => (data as { message?: string }).message);
  expect(messages).toEqual(expect.arrayContaining([`waiting for ${STARTS_AT_ONCE} starts before this one`]));
  expect(await listOf(await server.request("GET", "/api/sandboxes"))).toHaveLength(STARTS_AT_ONCE + 51);
});

it("organisations take turns, and who leaves does not start", async () => {
  const leaving = new AbortController();
  const starting = await fill();
  // An abort of the request itself is what a client that closes its connection is to the server.
  const left = create({ signal: leaving.signal });
  const own = Array.from({ length: 3 }, () => create());
  await new Promise((resolve) => setTimeout(resolve, 20));
  const other = create({ key: server.keys.b });
  // Its image is built before it waits.
  await until("waiting", () => server.engine.buildsRun >= 2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  leaving.abort();
  expect((await left).status).toBeGreaterThanOrEqual(400);
  server.engine.release("gate");
  const idOf = async (answer: Promise<Response>) => String((await bodyOf(await answer))["sandboxID"]);
  const [, second = "", , theirs = ""] = await Promise.all([...own, other].map(idOf));
  const order = [...server.engine.sandboxes.keys()];
  expect(order).toHaveLength(STARTS_AT_ONCE + 4);
  expect(order.indexOf(theirs)).toBeLessThan(order.indexOf(second));
  await Promise.all(starting);
});

it("who waits for a service to be ready keeps nobody from starting", async () => {
  server.engine.bootsAtOnce = true;
  const starting = Array.from({ length: STARTS_AT_ONCE + 3 }, () => create());
  await until("all", () => server.engine.sandboxes.size === STARTS_AT_ONCE + 3);
  server.engine.release("gate");
  expect(new Set((await Promise.all(starting)).map(({ status }) => status))).toEqual(new Set([201]));
});
