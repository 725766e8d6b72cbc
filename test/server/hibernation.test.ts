import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, listOf, STARTS_AT_ONCE, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const post = (path: string, json?: object) =>
  server.request("POST", `/api/sandboxes${path}`, { ...(json ? { json } : {}) });
const create = async (json: object = {}) => String((await bodyOf(await post("", json))).sandboxID);
const get = async (id: string) => await bodyOf(await server.request("GET", `/api/sandboxes/${id}`));
const run = (id: string, cmd = "echo on") => post(`/${id}/exec/run`, { cmd, timeout: 5 });
const files = (id: string, headers: Record<string, string> = {}) =>
  server.request("GET", `/api/sandboxes/${id}/files/list?path=/`, { headers });
const wakes = () => server.engine.transitions.filter((transition) => transition.startsWith("wake")).length;
const asleep = async (json: object = {}) => {
  const id = await create(json);
  await post(`/${id}/hibernate`);
  return id;
};

describe("hibernation", () => {
  it("is told, listed and shown; again is fine", async () => {
    const id = await create({ timeout: 60, tags: { a: "1" } });
    const answers = [await post(`/${id}/hibernate`), await post(`/${id}/hibernate`)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const told = { sandboxID: id, status: "hibernated", sizeBytes: 1, kind: "disk_only" };
    expect(await Promise.all(answers.map(bodyOf))).toEqual([told, told]);
    expect(await get(id)).toMatchObject({ status: "hibernated", tags: { a: "1" } });
    expect(await get(id)).not.toHaveProperty("endAt");
    expect(await listOf(await server.request("GET", "/api/sandboxes"))).toMatchObject([{ status: "hibernated" }]);
  });

  it.each([
    ["hibernate", undefined],
    ["wake", {}],
  ])("%s of a sandbox that stopped is gone, of none is not found", async (verb, json) => {
    const id = await create();
    await server.request("DELETE", `/api/sandboxes/${id}`);
    expect((await post(`/${id}/${verb}`, json)).status).toBe(410);
    expect((await post(`/sb-none/${verb}`, json)).status).toBe(404);
  });

  it("that fails leaves the sandbox as it is", async () => {
    const id = await create();
    server.engine.failures.hibernate = new Error("no room");
    expect((await post(`/${id}/hibernate`)).status).toBe(500);
    expect((await run(id)).status).toBe(200);
    expect(await get(id)).toMatchObject({ status: "running" });
  });

  it("is noticed where the engine did it and the server was not told, and the other way round", async () => {
    const [slept, woke] = [await create(), await asleep()];
    const [one, two] = [server.engine.sandboxes.get(slept), server.engine.sandboxes.get(woke)];
    if (one && two) [one.isAwake, two.isAwake] = [false, true];
    expect(await get(slept)).toMatchObject({ status: "hibernated" });
    expect(await get(woke)).toMatchObject({ status: "running" });
    expect((await run(slept)).status).toBe(200);
  });
});

describe("a sandbox that sleeps", () => {
  it("is woken with a new timeout, or with its old one", async () => {
    const id = await asleep({ timeout: 60 });
    expect(await bodyOf(await post(`/${id}/wake`, {}))).toMatchObject({ status: "running", timeout: 60 });
    await post(`/${id}/hibernate`);
    const answer = await post(`/${id}/wake`, { timeout: 7 });
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({ status: "running", timeout: 7, endAt: expect.any(String) });
    expect(await bodyOf(await post(`/${id}/wake`, { timeout: 0 }))).not.toHaveProperty("endAt");
  });

  it("is woken by whoever uses it, once for all", async () => {
    const id = await asleep();
    server.engine.holds.wake = "gate";
    const uses = [run(id), files(id), run(id), post(`/${id}/wake`, {})];
    await until("waking", () => wakes() === 1);
    server.engine.release("gate");
    expect((await Promise.all(uses)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(wakes()).toBe(1);
  });

  it("answers run-async at once; the result comes when it is awake", async () => {
    const id = await asleep();
    server.engine.holds.wake = "gate";
    const answer = await post(`/${id}/exec/run-async`, { cmd: "echo on" });
    expect(answer.status).toBe(202);
    const { execId } = await bodyOf(answer);
    const poll = async () => await bodyOf(await server.request("GET", `/api/sandboxes/${id}/exec/${execId}/result`));
    expect(await poll()).toMatchObject({ running: true, waking: true });
    server.engine.release("gate");
    await until("over", async () => (await poll()).running === false);
    expect(await poll()).toMatchObject({ running: false, exitCode: 0, stdout: "on\n" });
  });

  it("tells who polls that it did not wake", async () => {
    const id = await asleep();
    server.engine.failures.wake = new Error("lost");
    server.engine.holds.wake = "gate";
    const { execId } = await bodyOf(await post(`/${id}/exec/run-async`, { cmd: "echo on" }));
    const poll = async () => await bodyOf(await server.request("GET", `/api/sandboxes/${id}/exec/${execId}/result`));
    server.engine.release("gate");
    await until("over", async () => (await poll()).running === false);
    expect(await poll()).toMatchObject({ running: false, code: "internal" });
  });

  it("asks those to come again who said that they would", async () => {
    const id = await asleep();
    server.engine.holds.wake = "gate";
    const again = { "X-OSB-Async-Wake": "1" };
    for (const _ of [1, 2]) {
      const answer = await files(id, again);
      expect([answer.status, answer.headers.get("Retry-After")]).toEqual([503, "1"]);
      expect(await bodyOf(answer)).toMatchObject({ waking: true, error: expect.any(String), code: "unavailable" });
    }
    server.engine.release("gate");
    await until("awake", async () => (await files(id, again)).status === 200);
    expect(wakes()).toBe(1);
    const put = await server.request("PUT", `/api/sandboxes/${id}/files?path=/a`, { body: "x", headers: again });
    expect(put.status).toBe(204);
  });

  it("takes tags and a timeout, and is killed", async () => {
    const id = await asleep();
    expect((await server.request("PUT", `/api/sandboxes/${id}/tags`, { json: { b: "2" } })).status).toBe(200);
    expect((await post(`/${id}/timeout`, { timeout: 9 })).status).toBe(204);
    expect(await get(id)).toMatchObject({ status: "hibernated", timeout: 9, tags: { b: "2" } });
    expect(await bodyOf(await post(`/${id}/wake`, {}))).toMatchObject({ timeout: 9, endAt: expect.any(String) });
    await post(`/${id}/hibernate`);
    expect((await server.request("DELETE", `/api/sandboxes/${id}`)).status).toBe(204);
    expect(await get(id)).toMatchObject({ status: "stopped" });
    expect(server.engine.sandboxes.size).toBe(0);
  });

  it("wakes in its turn: as many at a time as may start", async () => {
    const ids: string[] = [];
    for (let count = 0; count < STARTS_AT_ONCE + 2; count++) ids.push(await asleep());
    server.engine.holds.wake = "gate";
    const uses = ids.map((id) => run(id));
    await until("begun", () => wakes() === STARTS_AT_ONCE);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(wakes()).toBe(STARTS_AT_ONCE);
    server.engine.release("gate");
    expect((await Promise.all(uses)).map(({ status }) => status)).toEqual(ids.map(() => 200));
  });

  it.each(["hibernate", "wake"] as const)("keeps collections out until its %s is written down", async (verb) => {
    const id = verb === "wake" ? await asleep() : await create();
    server.engine.holds[verb] = "gate";
    const changed = post(`/${id}/${verb}`, {});
    await until("begun", () => server.engine.transitions.includes(`${verb} ${id}`));
    let isCollected = false;
    const collected = server.request("POST", "/api/gc").finally(() => {
      isCollected = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isCollected).toBe(false);
    server.engine.release("gate");
    expect([(await changed).status, (await collected).status]).toEqual([200, 200]);
  });

  it("is its owner's still, who gets it awake", async () => {
    const id = await asleep({ owner: "urn" });
    const answer = await post("", { owner: "urn" });
    expect([answer.status, await bodyOf(answer)]).toMatchObject([200, { sandboxID: id, status: "running" }]);
  });

  it("keeps what it stands on from collection", async () => {
    const id = await asleep({ image: { base: "base", steps: [{ type: "workdir", args: { path: "/w" } }] } });
    await server.request("POST", "/api/gc");
    expect(await bodyOf(await run(id, "pwd"))).toMatchObject({ stdout: "/w\n" });
  });
});

describe("changes of one sandbox", () => {
  it.each(["checkpoint", "hibernate", "wake"] as const)("end with it: a %s under way is stopped", async (verb) => {
    const id = verb === "wake" ? await asleep() : await create();
    server.engine.holds[verb] = "never";
    const path = verb === "checkpoint" ? "checkpoints" : verb;
    const changed = post(`/${id}/${path}`, verb === "checkpoint" ? { name: "one" } : {});
    await until("begun", () => server.engine.transitions.includes(`${verb} ${id}`));
    const later = run(id);
    expect((await server.request("DELETE", `/api/sandboxes/${id}`)).status).toBe(204);
    expect((await changed).status).toBe(verb === "checkpoint" ? 201 : 410);
    expect((await later).status).toBe(410);
    expect(await get(id)).toMatchObject({ status: "stopped" });
  });

  it("come one after the other, in the order of asking", async () => {
    const id = await create();
    server.engine.holds.checkpoint = "gate";
    const calls = [
      () => post(`/${id}/checkpoints`, { name: "a" }),
      () => post(`/${id}/hibernate`),
      () => post(`/${id}/wake`, {}),
    ];
    const answers: Promise<Response>[] = [];
    for (const call of calls) {
      answers.push(call());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    server.engine.release("gate");
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([201, 200, 200]);
    const verbs = server.engine.transitions.map((transition) => transition.split(" ")[0]);
    expect(verbs).toEqual(["checkpoint", "hibernate", "wake"]);
    expect(await get(id)).toMatchObject({ status: "running" });
  });

  it("do not send one to sleep that was used after its deadline and before its turn", async () => {
    const id = await create({ timeout: 1 });
    server.engine.holds.checkpoint = "gate";
    await post(`/${id}/checkpoints`, { name: "a" });
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const used = run(id);
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.engine.release("gate");
    expect((await used).status).toBe(200);
    expect(server.engine.transitions).toEqual([`checkpoint ${id}`]);
    await until("asleep", async () => (await get(id)).status === "hibernated");
  });

  it("do not hold up another sandbox", async () => {
    const [id, other] = [await create(), await create()];
    server.engine.holds.checkpoint = "gate";
    await post(`/${id}/checkpoints`, { name: "a" });
    expect((await run(other)).status).toBe(200);
    server.engine.release("gate");
    expect((await run(id)).status).toBe(200);
  });

  it("end a wait whose asker leaves, and nothing else", async () => {
    const id = await create();
    server.engine.holds.checkpoint = "gate";
    await post(`/${id}/checkpoints`, { name: "a" });
    const leave = new AbortController();
    const waiting = server.request("GET", `/api/sandboxes/${id}/files/list?path=/`, { signal: leave.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    leave.abort();
    expect((await waiting).status).toBe(400);
    server.engine.release("gate");
    expect((await run(id)).status).toBe(200);
  });
});
