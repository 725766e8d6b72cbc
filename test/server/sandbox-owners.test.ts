import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, EVENTS, image, listOf, readEvents, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const create = (json: object, more: object = {}) =>
  server.request("POST", "/api/sandboxes", { json: { owner: "urn", ...json }, ...more });
const idOf = async (answer: Response) => String((await bodyOf(answer)).sandboxID);
const list = async () => await listOf(await server.request("GET", "/api/sandboxes"));

describe("an owner", () => {
  it("gets the sandbox again that runs, whatever else is asked for", async () => {
    const first = await create({ timeout: 60 });
    expect(first.status).toBe(201);
    const record = await bodyOf(first);
    expect(record).toMatchObject({ owner: "urn", timeout: 60 });
    const again = await create({ memoryMB: 64 });
    expect(again.status).toBe(200);
    expect(await bodyOf(again)).toMatchObject({ ...record, endAt: expect.any(String) });
    const events = await readEvents(await create({ image: image("print a") }, { accept: EVENTS }));
    expect(events).toMatchObject([{ kind: "result", data: { sandboxID: record.sandboxID } }]);
    expect(server.engine.buildsRun).toBe(1);
    expect(await list()).toMatchObject([{ owner: "urn" }]);
  });

  it("has one of many creates at a time, from all origins", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => create({ image: image("print a") })));
    expect(answers.map((answer) => answer.status).sort()).toEqual([...Array(7).fill(200), 201]);
    expect(new Set(await Promise.all(answers.map(idOf))).size).toBe(1);
    expect(server.engine.sandboxes.size).toBe(1);
  });

  it("is another one in another organisation, and those without are strangers", async () => {
    const ids = [
      await idOf(await create({})),
      await idOf(await create({}, { key: server.keys.b })),
      await idOf(await create({ owner: "other" })),
      ...(await Promise.all(
        [create({ owner: undefined }), create({ owner: undefined })].map(async (one) => idOf(await one)),
      )),
    ];
    expect(new Set(ids).size).toBe(5);
    expect(await bodyOf(await server.request("GET", `/api/sandboxes/${ids[4]}`))).not.toHaveProperty("owner");
  });

  const ends: [string, (id: string) => unknown][] = [
    ["was killed", (id) => server.request("DELETE", `/api/sandboxes/${id}`)],
    ["died by itself", (id) => server.engine.sandboxes.delete(id)],
  ];
  it.each(ends)("gets a new one where theirs %s", async (_, end) => {
    const id = await idOf(await create({}));
    await end(id);
    const next = await create({});
    expect(next.status).toBe(201);
    expect(await idOf(next)).not.toBe(id);
    expect(await list()).toHaveLength(1);
  });

  it("has a free hand where a create failed, also where what it left could not be removed", async () => {
    server.engine.failCreate = new Error("no room");
    const destroy = server.engine.destroySandbox;
    server.engine.destroySandbox = async () => {
      throw new Error("busy");
    };
    expect((await create({})).status).toBe(500);
    server.engine.failCreate = undefined;
    server.engine.destroySandbox = destroy;
    expect((await create({})).status).toBe(201);
    expect(await list()).toHaveLength(1);
  });

  it("keeps it alive by asking for it", async () => {
    let now = 1_800_000_000_000;
    await server.close();
    server = await createTestServer({ now: () => now });
    await create({ timeout: 60 });
    now += 50_000;
    expect(await bodyOf(await create({}))).toMatchObject({ endAt: new Date(now + 60_000).toISOString() });
  });

  it("who left is passed over by the next one", async () => {
    const leave = new AbortController();
    server.engine.holdCreates = "gate";
    const left = create({}, { signal: leave.signal });
    await until("starting", () => server.engine.sandboxes.size === 1);
    const [first] = server.engine.sandboxes.keys();
    const next = create({});
    const waiting = new AbortController();
    const tired = create({}, { signal: waiting.signal });
    waiting.abort();
    expect((await tired).status).not.toBe(201);
    leave.abort();
    await left;
    server.engine.release("gate");
    expect((await next).status).toBe(201);
    expect([...server.engine.sandboxes.keys()]).toEqual([await idOf(await create({}))]);
    expect(server.engine.sandboxes.has(first ?? "")).toBe(false);
  });

  it.each(["", "x".repeat(257)])("is 1 to 256 characters", async (owner) => {
    expect((await create({ owner })).status).toBe(400);
  });
});

describe("a sandbox whose asker never got the answer", () => {
  const from = { kind: "image", manifest: image(), stepTimeoutMs: 1000 } as const;
  const wish = { from, envs: {}, metadata: {}, memoryMB: 64, cpuCount: 1, diskMB: null, timeoutSeconds: 60 };
  const rest = { tags: {}, network: "egress", owner: null } as const;

  it("is removed, and the server waits for that when it stops", async () => {
    let tell = (_reached: boolean) => {};
    const answered = new Promise<boolean>((resolve) => {
      tell = resolve;
    });
    const { signal } = new AbortController();
    const made = server.services.sandboxes.create(server.org, { ...wish, ...rest }, { signal, answered });
    while (!(await made.next()).done);
    expect(await list()).toHaveLength(1);
    const closed = server.services.sandboxes.close();
    tell(false);
    await closed;
    expect(server.engine.sandboxes.size).toBe(0);
    expect(await server.store.listSandboxes(["running", "hibernated", "stopped"])).toEqual([]);
  });
});
