import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, image, listOf, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
  await snapshot({ warmPool: 2 });
  await full(2);
});
afterEach(() => server.close());

const call = (method: string, path: string, json?: object) =>
  server.request(method, `/api${path}`, { ...(json ? { json } : {}) });
const snapshot = (more: object = {}) => call("POST", "/snapshots", { name: "tools", image: image("print a"), ...more });
const idOf = async (answer: Response) => String((await bodyOf(answer)).sandboxID);
const create = (json: object = {}) => call("POST", "/sandboxes", { snapshot: "tools", ...json });
const waiting = () => [...server.engine.sandboxes.keys()];
const full = (count: number) => until(`${count} are there`, () => waiting().length === count);
const layersOf = (id: string) => server.engine.sandboxes.get(id)?.spec.checkpoint.layers.length;

describe("a warm pool", () => {
  it("is hidden, but for what is wanted", async () => {
    expect(await bodyOf(await call("GET", "/snapshots/tools"))).toMatchObject({ warmPool: 2 });
    expect(await listOf(await call("GET", "/sandboxes"))).toEqual([]);
    expect((await bodyOf(await call("GET", "/snapshots/tools/usage"))).sandboxes).toEqual([]);
    for (const id of waiting()) {
      expect((await call("GET", `/sandboxes/${id}`)).status).toBe(404);
      expect((await call("POST", `/sandboxes/${id}/exec/run`, { cmd: "pwd", timeout: 5 })).status).toBe(404);
    }
  });

  it("gives each of its sandboxes to one create, as it was asked for, and is filled again", async () => {
    const before = waiting();
    const made = await Promise.all([create({ envs: { A: "1" }, timeout: 60, owner: "urn" }), create()]);
    const ids = await Promise.all(made.map((answer) => idOf(answer.clone())));
    expect([...ids].sort()).toEqual([...before].sort());
    expect(await bodyOf(made[0] as Response)).toMatchObject({
      ...{ status: "running", snapshot: "tools", timeout: 60, owner: "urn", endAt: expect.any(String) },
    });
    const { stdout } = await bodyOf(await call("POST", `/sandboxes/${ids[0]}/exec/run`, { cmd: "env A", timeout: 5 }));
    expect(stdout).toBe("1\n");
    await full(4);
    expect(ids).not.toContain(await idOf(await create()));
    expect((await bodyOf(await call("GET", "/snapshots/tools"))).lastUsedAt).toBeDefined();
  });

  it.each([{ memoryMB: 512 }, { cpuCount: 2 }, { networkEnabled: false }, { egressAllowlist: ["a.b"] }])(
    "is not for who wants %j",
    async (json) => {
      const before = waiting();
      expect(before).not.toContain(await idOf(await create(json)));
    },
  );

  it("starts what it lacks for whoever comes when it is empty", async () => {
    const before = waiting();
    const ids = await Promise.all(Array.from({ length: 4 }, async () => idOf(await create())));
    expect(new Set(ids).size).toBe(4);
    expect(before.every((id) => ids.includes(id))).toBe(true);
    await full(6);
  });

  it("gives nobody one that died", async () => {
    const [dead, other] = waiting();
    server.engine.sandboxes.delete(dead ?? "");
    expect(await idOf(await create())).toBe(other);
    await full(3);
  });

  it("follows the current version", async () => {
    const before = waiting();
    await snapshot({ image: image("print a", "print b"), ifExists: "version" });
    await until("replaced", () => waiting().length === 2 && !waiting().some((id) => before.includes(id)));
    expect(waiting().map(layersOf)).toEqual([3, 3]);
    const second = waiting();
    expect(second).not.toContain(await idOf(await create({ snapshot: "tools@1" })));
    expect(second).toContain(await idOf(await create({ snapshot: "tools@2" })));
    await call("POST", "/snapshots/tools@1/promote");
    await until("back", () => waiting().filter((id) => layersOf(id) === 2).length === 3);
  });

  it("is as large as was said last, and gone with its name", async () => {
    const patch = (warmPool: number) => call("PATCH", "/snapshots/tools", { warmPool });
    expect(await bodyOf(await patch(4))).toMatchObject({ warmPool: 4 });
    await full(4);
    await call("PATCH", "/snapshots/tools", { labels: { a: "1" } });
    expect(await bodyOf(await patch(1))).toMatchObject({ warmPool: 1, labels: { a: "1" } });
    await full(1);
    expect(await bodyOf(await patch(0))).not.toHaveProperty("warmPool");
    await full(0);
    await patch(3);
    await full(3);
    await call("DELETE", "/snapshots/tools");
    await full(0);
    expect((await patch(101)).status).toBe(400);
  });

  it("leaves the turns to those who wait", async () => {
    server.engine.holdCreates = "gate";
    const asked = Array.from({ length: 8 }, () => create({ memoryMB: 512 }));
    await until("four start", () => waiting().length === 6);
    await call("PATCH", "/snapshots/tools", { warmPool: 3 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    asked.push(...Array.from({ length: 8 }, () => create({ memoryMB: 512 })));
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.engine.release("gate");
    await Promise.all(asked);
    await full(19);
    const memory = [...server.engine.sandboxes.values()].map(({ spec }) => spec.memoryMB);
    // In the order of starting: the one that is warm is the last.
    expect(memory).toEqual([4096, 4096, ...Array(16).fill(512), 4096]);
  });

  it("that cannot be filled is no create's error, and is tried again", async () => {
    server.engine.failCreate = new Error("no room");
    const before = waiting();
    for (const id of before) await call("DELETE", `/sandboxes/${id}`);
    expect(before).toContain(await idOf(await create()));
    expect(before).toContain(await idOf(await create()));
    expect((await create()).status).toBe(500);
    server.engine.failCreate = undefined;
    await full(4);
  });

  it("ends with the server, and its sandboxes with it; those that were claimed run on", async () => {
    const id = await idOf(await create());
    await server.services.warm.close();
    expect(waiting()).toEqual([id]);
  });
});
