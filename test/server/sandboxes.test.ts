import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, EVENTS, image, listOf, readEvents, type TestServer, until } from "./test-server";

let server: TestServer;
let now = 1_800_000_000_000;
beforeEach(async () => {
  server = await createTestServer({ now: () => now });
});
afterEach(() => server.close());

const create = (json: object, accept?: string) =>
  server.request("POST", "/api/sandboxes", {
    json: { templateID: "base", timeout: 0, ...json },
    ...(accept ? { accept } : {}),
  });
const createId = async (json: object) => String((await bodyOf(await create(json))).sandboxID);
const get = (id: string) => server.request("GET", `/api/sandboxes/${id}`);
const snapshot = (name: string, img: unknown) =>
  server.request("POST", "/api/snapshots", { json: { name, image: img } });

describe("create", () => {
  it("starts one from the base with the wire's defaults", async () => {
    const answer = await create({});
    expect(answer.status).toBe(201);
    const record = await bodyOf(answer);
    expect(record.sandboxID).toMatch(/^sb-[0-9a-f]{12}$/);
    expect(record).toMatchObject({ status: "running", templateID: "base", memoryMB: 4096, cpuCount: 1, timeout: 0 });
    expect(record).not.toHaveProperty("connectURL");
    expect(record).not.toHaveProperty("token");
    expect(record).not.toHaveProperty("endAt");
  });

  const origins: [string, object][] = [
    ["the base", {}],
    ["an image", { image: image("print a") }],
    ["a snapshot", { snapshot: "tools" }],
  ];
  it.each(origins)("honours timeout, envs, metadata, memory and cpu from %s", async (_, origin) => {
    await snapshot("tools", image("print a"));
    const options = { timeout: 60, envs: { A: "1" }, metadata: { m: "x" }, memoryMB: 512, cpuCount: 2 };
    const record = await bodyOf(await create({ ...origin, ...options }));
    expect(record).toMatchObject({ timeout: 60, metadata: { m: "x" }, memoryMB: 512, cpuCount: 2 });
    expect(record.endAt).toBe(new Date(now + 60_000).toISOString());
    const spec = server.engine.sandboxes.get(String(record.sandboxID))?.spec;
    expect(spec).toMatchObject({ memoryMB: 512, cpuCount: 2 });
    expect((await server.org.getSandbox(String(record.sandboxID)))?.envs).toEqual({ A: "1" });
  });

  it("streams what happens on the way from a snapshot", async () => {
    await snapshot("tools", image("print a"));
    const events = await readEvents(await create({ snapshot: "tools" }, EVENTS));
    expect(events.map((event) => (event.kind === "build_log" ? event.data.type : event.kind))).toEqual([
      ...["resolve", "create", "result"],
    ]);
    expect(events.at(-1)?.data).toMatchObject({ status: "running", snapshot: "tools" });
    expect((await bodyOf(await server.request("GET", "/api/snapshots/tools"))).lastUsedAt).toBeDefined();
  });

  const failures: [string, object, number, string][] = [
    ["an unknown snapshot", { snapshot: "nope" }, 404, "not_found"],
    ["a snapshot that is not ready", { snapshot: "slow" }, 409, "conflict"],
    ["an image that does not build", { image: image("fail") }, 422, "build_failed"],
  ];
  it.each(failures)("tells of %s in the stream, or by status without one", async (_, json, status, code) => {
    await server.request("POST", "/api/snapshots?async=1", { json: { name: "slow", image: image("wait x") } });
    const events = await readEvents(await create(json, EVENTS));
    expect(events.at(-1)).toMatchObject({ kind: "error", data: { code } });
    expect((await create(json)).status).toBe(status);
    expect(await listOf(await server.request("GET", "/api/sandboxes"))).toEqual([]);
    expect(server.engine.sandboxes.size).toBe(0);
  });

  const refused: [string, object, number][] = [
    ["an unknown template", { templateID: "nope" }, 404],
    ["an unknown member", { memoryMb: 1 }, 400],
    ["a bad timeout", { timeout: -1.5 }, 400],
    ["a timeout of years", { timeout: 1e9 }, 400],
    ["a secret store", { secretStore: "s" }, 501],
    ["an env name with =", { envs: { "A=B": "1" } }, 400],
  ];
  it.each(refused)("refuses %s", async (_, json, status) => {
    expect((await create(json)).status).toBe(status);
  });

  it("takes a negative timeout as none, as the wire has it", async () => {
    expect(await bodyOf(await create({ timeout: -1 }))).toMatchObject({ timeout: 0 });
  });

  const sizes: [object, object][] = [
    [{}, { memoryMB: 4096, cpuCount: 1 }],
    ...[[64, 1] as const, [1024, 1], [2048, 1], [4096, 1], [8192, 2], [10_000, 4], [16_384, 4], [65_536, 4]].map(
      ([memoryMB, cpuCount]): [object, object] => [{ memoryMB }, { memoryMB, cpuCount }],
    ),
    ...[[0.5, 1024] as const, [1, 1024], [2, 8192], [3, 16_384], [4, 16_384], [8, 16_384]].map(
      ([cpuCount, memoryMB]): [object, object] => [{ cpuCount }, { memoryMB, cpuCount }],
    ),
    [
      { memoryMB: 512, cpuCount: 4 },
      { memoryMB: 512, cpuCount: 4 },
    ],
  ];
  it.each(sizes)("of the size %j has %j", async (asked, size) => {
    expect(await bodyOf(await create(asked))).toMatchObject(size);
  });

  it("takes what official clients send for the hosted service's placement", async () => {
    expect((await create({ burst: false, sandboxFamily: "x", diskMB: 20480 })).status).toBe(201);
  });

  it("leaves nothing where the engine fails", async () => {
    server.engine.failCreate = new Error("no room");
    const answer = await create({});
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain("no room");
    expect(await server.store.listSandboxes(["running", "hibernated", "stopped"])).toEqual([]);
  });

  it("builds a snapshot's image again where the engine lost its layers", async () => {
    await snapshot("tools", image("print a"));
    server.engine.layers.clear();
    expect((await create({ snapshot: "tools" })).status).toBe(201);
    expect((await create({ snapshot: "tools" })).status).toBe(201);
    expect(server.engine.buildsRun).toBe(2);
  });

  it("cancels the image's build when the caller leaves", async () => {
    const reader = (await create({ image: image("wait x") }, EVENTS)).body?.getReader();
    await until("building", () => server.engine.buildsRun === 1);
    await reader?.cancel();
    server.engine.release("x");
    await until("not recorded as built", async () => (await server.store.listCheckpoints()).length === 0);
    expect(server.engine.sandboxes.size).toBe(0);
  });
});

describe("life", () => {
  it("is listed, shown, killed, and then stopped", async () => {
    const id = await createId({});
    expect(await listOf(await server.request("GET", "/api/sandboxes"))).toHaveLength(1);
    expect((await server.request("DELETE", `/api/sandboxes/${id}?deleteSecretStore=true`)).status).toBe(204);
    expect((await server.request("DELETE", `/api/sandboxes/${id}`)).status).toBe(204);
    expect(await bodyOf(await get(id))).toMatchObject({ status: "stopped" });
    expect(await listOf(await server.request("GET", "/api/sandboxes"))).toEqual([]);
    expect(server.engine.sandboxes.size).toBe(0);
  });

  it("is noticed to have died by itself", async () => {
    const id = await createId({});
    server.engine.sandboxes.delete(id);
    expect(await bodyOf(await get(id))).toMatchObject({ status: "stopped" });
    const other = await createId({});
    server.engine.sandboxes.delete(other);
    expect((await server.request("POST", `/api/sandboxes/${other}/exec/run`, { json: { cmd: "pwd" } })).status).toBe(
      410,
    );
  });

  it("is not found where it never was", async () => {
    expect((await get("sb-000000000000")).status).toBe(404);
    expect((await server.request("DELETE", "/api/sandboxes/sb-000000000000")).status).toBe(404);
    const timeout = await server.request("POST", "/api/sandboxes/sb-000000000000/timeout", { json: { timeout: 1 } });
    expect(timeout.status).toBe(404);
  });

  it("takes a new timeout, and none", async () => {
    const id = await createId({ timeout: 10 });
    const set = (timeout: unknown) => server.request("POST", `/api/sandboxes/${id}/timeout`, { json: { timeout } });
    expect((await set(100)).status).toBe(204);
    expect(await bodyOf(await get(id))).toMatchObject({ timeout: 100, endAt: new Date(now + 100_000).toISOString() });
    expect((await set(0)).status).toBe(204);
    expect(await bodyOf(await get(id))).not.toHaveProperty("endAt");
    expect((await set(-1)).status).toBe(400);
  });
});

describe("idle timeout", () => {
  const exec = (id: string, cmd: string) =>
    server.request("POST", `/api/sandboxes/${id}/exec/run`, { json: { cmd, timeout: 5 } });

  it("hibernates what was idle for its timeout, and counts again when it was woken", async () => {
    const id = await createId({ timeout: 1 });
    now += 999;
    expect((await exec(id, "pwd")).status).toBe(200);
    now += 999;
    expect((await exec(id, "pwd")).status).toBe(200);
    now += 1000;
    // The timer was set by the clock as it was; any call that touches the clock sets it anew.
    await exec(await createId({ timeout: 1 }), "pwd");
    await until("asleep", async () => (await bodyOf(await get(id))).status === "hibernated");
    expect(await bodyOf(await get(id))).not.toHaveProperty("endAt");
    expect((await exec(id, "pwd")).status).toBe(200);
    expect(await bodyOf(await get(id))).toMatchObject({ status: "running", endAt: new Date(now + 1000).toISOString() });
  });

  it("does not count while a command runs", async () => {
    const id = await createId({ timeout: 1 });
    const running = exec(id, "sleep 300");
    await new Promise((resolve) => setTimeout(resolve, 50));
    now += 5000;
    await createId({ timeout: 1 });
    expect(await bodyOf(await get(id))).toMatchObject({ status: "running", endAt: new Date(now + 1000).toISOString() });
    expect((await running).status).toBe(200);
    expect(await bodyOf(await get(id))).toMatchObject({ status: "running" });
  });
});
