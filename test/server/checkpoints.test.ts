import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, image, listOf, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const post = (path: string, json: object = {}) => server.request("POST", `/api${path}`, { json });
const get = (path: string) => server.request("GET", `/api${path}`);
const create = async (json: object = {}) => String((await bodyOf(await post("/sandboxes", json))).sandboxID);
const take = (id: string, json: object) => post(`/sandboxes/${id}/checkpoints`, json);
const checkpoint = async (cid: string) => await bodyOf(await get(`/checkpoints/${cid}`));
const write = (id: string, path: string, body: string) =>
  server.request("PUT", `/api/sandboxes/${id}/files?path=${path}`, { body });
const read = async (id: string, path: string) => await (await get(`/sandboxes/${id}/files?path=${path}`)).text();
const exec = async (id: string, cmd: string) =>
  await bodyOf(await post(`/sandboxes/${id}/exec/run`, { cmd, timeout: 5 }));
const names = async (id: string) => (await listOf(await get(`/sandboxes/${id}/checkpoints`))).map(({ name }) => name);

/** Takes a checkpoint and waits until it is ready. */
async function taken(id: string, json: object): Promise<string> {
  const { id: cid } = await bodyOf(await take(id, json));
  await until("ready", async () => (await checkpoint(String(cid))).status !== "processing");
  return String(cid);
}

describe("a checkpoint", () => {
  it("is answered at once, `processing`, and is ready later", async () => {
    const id = await create();
    await write(id, "/a", "abc");
    server.engine.holds.checkpoint = "gate";
    const answer = await take(id, { name: "one", owner: "urn" });
    expect(answer.status).toBe(201);
    const record = await bodyOf(answer);
    expect(record).toMatchObject({ sandboxId: id, name: "one", kind: "disk_only", status: "processing", sizeBytes: 0 });
    expect(record).toMatchObject({ isPublic: false, owner: "urn", createdAt: expect.any(String) });
    server.engine.release("gate");
    await until("ready", async () => (await checkpoint(String(record.id))).status === "ready");
    const ready = { ...record, status: "ready", sizeBytes: 3 };
    expect(await listOf(await get(`/sandboxes/${id}/checkpoints`))).toEqual([ready]);
    expect(await listOf(await get("/checkpoints"))).toEqual([ready]);
  });

  it("says why it failed, and does not keep its name", async () => {
    const id = await create();
    server.engine.failures.checkpoint = new Error("disk full");
    const cid = await taken(id, { name: "one" });
    expect(await checkpoint(cid)).toMatchObject({ status: "failed", failedAt: expect.any(String) });
    expect((await checkpoint(cid)).errorMsg).toBeDefined();
    expect((await post(`/sandboxes/from-checkpoint/${cid}`)).status).toBe(400);
    expect((await post(`/sandboxes/${id}/checkpoints/${cid}/restore`)).status).toBe(400);
    server.engine.failures.checkpoint = undefined;
    expect(await checkpoint(await taken(id, { name: "one" }))).toMatchObject({ status: "ready" });
    expect(await names(id)).toEqual(["one"]);
  });

  const refused: [string, object, number, string][] = [
    ["no name", {}, 400, "invalid_input"],
    ["a kind that is none", { name: "a", kind: "some" }, 400, "invalid_input"],
    ["a kind that the engine has not", { name: "a", kind: "full" }, 501, "unsupported"],
    ["a name that the sandbox has", { name: "taken" }, 409, "conflict"],
    ["promotion", { name: "a", promoteToFull: true }, 400, "invalid_input"],
    ["a policy that is none", { name: "a", retentionPolicy: { mode: "some" } }, 400, "invalid_input"],
    ["an unknown member", { name: "a", Kind: "full" }, 400, "invalid_input"],
  ];
  it.each(refused)("of %s is refused", async (_, json, status, code) => {
    const id = await create();
    await taken(id, { name: "taken" });
    const answer = await take(id, json);
    expect([answer.status, (await bodyOf(answer)).code]).toEqual([status, code]);
    expect(await names(id)).toEqual(["taken"]);
  });

  it("takes what says nothing", async () => {
    const id = await create();
    const json = { name: "a", promoteToFull: false, retentionPolicy: { mode: "none", maxCount: 0 } };
    expect((await take(id, json)).status).toBe(201);
  });

  it("of a sandbox that stopped is gone; of none is not found", async () => {
    const id = await create();
    await server.request("DELETE", `/api/sandboxes/${id}`);
    expect((await take(id, { name: "a" })).status).toBe(410);
    expect((await take("sb-none", { name: "a" })).status).toBe(404);
    expect((await get("/sandboxes/sb-none/checkpoints")).status).toBe(404);
    expect(await listOf(await get(`/sandboxes/${id}/checkpoints`))).toEqual([]);
  });

  it("outlives its sandbox, with its image", async () => {
    const id = await create({ image: { base: "base", steps: [{ type: "env", args: { vars: { LANG: "x" } } }] } });
    await write(id, "/a", "abc");
    const cid = await taken(id, { name: "one" });
    await server.request("DELETE", `/api/sandboxes/${id}`);
    expect((await post("/gc")).status).toBe(200);
    const forked = await bodyOf(await post(`/sandboxes/from-checkpoint/${cid}`));
    expect(forked).toMatchObject({ status: "running", fromCheckpointId: cid });
    expect(await read(String(forked.sandboxID), "/a")).toBe("abc");
    expect(await exec(String(forked.sandboxID), "env LANG")).toMatchObject({ stdout: "x\n" });
  });

  it("that is deleted stays for those that stand on it, and no longer", async () => {
    const id = await create();
    await write(id, "/a", "abc");
    const cid = await taken(id, { name: "one" });
    const fork = String((await bodyOf(await post(`/sandboxes/from-checkpoint/${cid}`))).sandboxID);
    const other = await create();
    const path = (sandbox: string) => `/api/sandboxes/${sandbox}/checkpoints/${cid}`;
    expect((await server.request("DELETE", path(other))).status).toBe(400);
    expect((await server.request("DELETE", path(id))).status).toBe(204);
    expect((await server.request("DELETE", path(id))).status).toBe(404);
    await post("/gc");
    expect(await exec(fork, "echo on")).toMatchObject({ stdout: "on\n" });
    expect((await server.store.listCheckpoints()).map((row) => row.id)).toContain(cid);
    await server.request("DELETE", `/api/sandboxes/${fork}`);
    await post("/gc");
    expect((await server.store.listCheckpoints()).map((row) => row.id)).not.toContain(cid);
    expect([...server.engine.layers].filter((key) => key.startsWith("checkpoint"))).toEqual([]);
  });

  it("that is deleted while it is taken leaves nothing", async () => {
    const id = await create();
    server.engine.holds.checkpoint = "gate";
    const { id: cid } = await bodyOf(await take(id, { name: "one" }));
    expect((await server.request("DELETE", `/api/sandboxes/${id}/checkpoints/${cid}`)).status).toBe(204);
    server.engine.release("gate");
    expect(await exec(id, "echo on")).toMatchObject({ stdout: "on\n" });
    await post("/gc");
    expect(await listOf(await get("/checkpoints"))).toEqual([]);
    expect((await server.store.listCheckpoints()).map((row) => row.id)).not.toContain(cid);
  });
});

describe("a sandbox from a checkpoint", () => {
  it("has what the other had, with what is given on top", async () => {
    server.engine.checkpointKinds = ["disk_only", "full"];
    const has = { envs: { A: "1", B: "1" }, metadata: { m: "1", n: "1" }, memoryMB: 512, cpuCount: 2 };
    const id = await create({ ...has, networkEnabled: false, tags: { t: "1" }, timeout: 60 });
    const cid = await taken(id, { name: "one", kind: "full" });
    const more = { envs: { B: "2" }, metadata: { n: "2" }, timeout: -1, owner: "urn" };
    const answer = await post(`/sandboxes/from-checkpoint/${cid}`, more);
    expect(answer.status).toBe(201);
    const record = await bodyOf(answer);
    expect(record).toMatchObject({ metadata: { m: "1", n: "2" }, memoryMB: 512, cpuCount: 2, network: "none" });
    expect(record).toMatchObject({ timeout: 0, tags: {}, owner: "urn" });
    expect(await exec(String(record.sandboxID), "env A")).toMatchObject({ stdout: "1\n" });
    expect(await exec(String(record.sandboxID), "env B")).toMatchObject({ stdout: "2\n" });
    expect(server.engine.sandboxes.get(String(record.sandboxID))?.spec.checkpoint.memory).toBeDefined();
    const again = await post(`/sandboxes/from-checkpoint/${cid}`, more);
    expect([again.status, (await bodyOf(again)).sandboxID]).toEqual([200, record.sandboxID]);
  });

  it("waits for one that is being taken", async () => {
    const id = await create();
    await write(id, "/a", "abc");
    server.engine.holds.checkpoint = "gate";
    const { id: cid } = await bodyOf(await take(id, { name: "one" }));
    const forked = post(`/sandboxes/from-checkpoint/${cid}`);
    server.engine.release("gate");
    expect(await read(String((await bodyOf(await forked)).sandboxID), "/a")).toBe("abc");
  });

  const refused: [string, string, object, number][] = [
    ["an id that is none", "33", {}, 400],
    ["one that is not there", "00000000-0000-4000-8000-000000000000", {}, 404],
    ["an unknown member", "00000000-0000-4000-8000-000000000000", { count: 1 }, 400],
    ["a secret store", "00000000-0000-4000-8000-000000000000", { secretStore: "s" }, 501],
  ];
  it.each(refused)("of %s is refused", async (_, cid, json, status) => {
    expect((await post(`/sandboxes/from-checkpoint/${cid}`, json)).status).toBe(status);
  });
});

describe("going back", () => {
  it("is answered at once; later calls wait for it", async () => {
    const id = await create({ timeout: 60 });
    await write(id, "/a", "old");
    const cid = await taken(id, { name: "one" });
    await write(id, "/a", "new");
    server.engine.holds.restore = "gate";
    const answer = await post(`/sandboxes/${id}/checkpoints/${cid}/restore`);
    expect([answer.status, await bodyOf(answer)]).toEqual([
      200,
      { sandboxId: id, checkpointId: cid, status: "restoring" },
    ]);
    let isOver = false;
    const calls = [read(id, "/a"), exec(id, "echo on"), get(`/sandboxes/${id}`)];
    for (const call of calls) call.finally(() => expect(isOver).toBe(true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    isOver = true;
    server.engine.release("gate");
    expect(await calls[0]).toBe("old");
    await Promise.all(calls);
    expect(await bodyOf(await get(`/sandboxes/${id}`))).toMatchObject({
      ...{ status: "running", fromCheckpointId: cid, endAt: expect.any(String) },
    });
  });

  it("twice leaves what was asked for last", async () => {
    const id = await create();
    const ids: string[] = [];
    for (const name of ["one", "two", "three"]) {
      await write(id, "/a", name);
      ids.push(await taken(id, { name }));
    }
    await Promise.all(["two", "one"].map((_, index) => post(`/sandboxes/${id}/checkpoints/${ids[1 - index]}/restore`)));
    expect(await read(id, "/a")).toBe("one");
    expect((await server.org.getSandbox(id))?.restoringTo).toBeNull();
  });

  it("that fails ends the sandbox", async () => {
    const id = await create();
    const cid = await taken(id, { name: "one" });
    server.engine.failures.restore = new Error("broken");
    await post(`/sandboxes/${id}/checkpoints/${cid}/restore`);
    expect(await bodyOf(await get(`/sandboxes/${id}`))).toMatchObject({ status: "stopped" });
    expect((await post(`/sandboxes/${id}/checkpoints/${cid}/restore`)).status).toBe(410);
  });

  it("to what is not there any more is refused, and the sandbox runs on", async () => {
    const id = await create();
    const cid = await taken(id, { name: "one" });
    server.engine.layers.clear();
    expect((await post(`/sandboxes/${id}/checkpoints/${cid}/restore`)).status).toBe(404);
    expect(await bodyOf(await get(`/sandboxes/${id}`))).toMatchObject({ status: "running" });
    expect(server.engine.transitions).not.toContain(`restore ${id}`);
  });

  it("wakes a sandbox, and never goes to another's checkpoint", async () => {
    const [id, other] = [await create(), await create()];
    const cid = await taken(id, { name: "one" });
    await post(`/sandboxes/${id}/hibernate`);
    expect((await post(`/sandboxes/${other}/checkpoints/${cid}/restore`)).status).toBe(400);
    expect((await post(`/sandboxes/${id}/checkpoints/${cid}/restore`)).status).toBe(200);
    expect(await bodyOf(await get(`/sandboxes/${id}`))).toMatchObject({ status: "running" });
  });
});

describe("a fork", () => {
  const fork = async (id: string, json: object) => await listOf(await post(`/sandboxes/${id}/fork`, json));

  it("starts several from what a sandbox is now, each with a result", async () => {
    server.engine.checkpointKinds = ["disk_only", "full"];
    const id = await create({ envs: { A: "1" } });
    await write(id, "/a", "abc");
    const results = await fork(id, { count: 3, envs: { B: "2" }, tags: { run: "7" } });
    const ids = results.map(({ sandbox }) => String((sandbox as { sandboxID: string }).sandboxID));
    expect(new Set([...ids, id]).size).toBe(4);
    for (const one of ids) {
      expect(await read(one, "/a")).toBe("abc");
      expect(await exec(one, "env A")).toMatchObject({ stdout: "1\n" });
      expect(server.engine.sandboxes.get(one)?.spec.checkpoint.memory).toBeDefined();
    }
    expect(await listOf(await get("/sandboxes?tag=run=7"))).toHaveLength(3);
    // It has no name, so nobody has to delete it.
    expect(await listOf(await get("/checkpoints"))).toEqual([]);
    for (const one of ids) await server.request("DELETE", `/api/sandboxes/${one}`);
    await post("/gc");
    expect([...server.engine.layers].filter((key) => key.startsWith("checkpoint"))).toEqual([]);
  });

  it("tells which of them failed", async () => {
    const id = await create();
    const createSandbox = server.engine.createSandbox.bind(server.engine);
    let count = 0;
    server.engine.createSandbox = async (spec, signal) => {
      count += 1;
      if (count === 2) throw new Error("no room");
      await createSandbox(spec, signal);
    };
    const results = await fork(id, { count: 3 });
    expect(results.filter((result) => "sandbox" in result)).toHaveLength(2);
    expect(results.filter((result) => "error" in result)).toMatchObject([{ code: "internal" }]);
    expect(server.engine.sandboxes.size).toBe(3);
  });

  it("keeps what it took from a collection that waits meanwhile", async () => {
    const id = await create();
    await write(id, "/a", "abc");
    server.engine.holds.checkpoint = "gate";
    const results = fork(id, { count: 2 });
    await until("taking", () => server.engine.transitions.length === 1);
    const collected = post("/gc");
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.engine.release("gate");
    for (const result of await results) expect(result).toHaveProperty("sandbox");
    expect((await collected).status).toBe(200);
  });

  it("that its asker did not wait for leaves none", async () => {
    const id = await create();
    server.engine.holdCreates = "gate";
    const leave = new AbortController();
    const left = server.request("POST", `/api/sandboxes/${id}/fork`, { json: { count: 3 }, signal: leave.signal });
    await until("starting", () => server.engine.sandboxes.size === 4);
    leave.abort();
    await left;
    expect([...server.engine.sandboxes.keys()]).toEqual([id]);
    expect(await listOf(await get("/sandboxes"))).toHaveLength(1);
  });

  const refused: [object, number][] = [
    [{}, 400],
    [{ count: 0 }, 400],
    [{ count: 101 }, 400],
    [{ count: 1, kind: "full" }, 501],
  ];
  it.each(refused)("of %j is refused", async (json, status) => {
    expect((await post(`/sandboxes/${await create()}/fork`, json)).status).toBe(status);
  });

  it("of a sandbox that stopped is gone", async () => {
    const id = await create({ image: image("print a") });
    await server.request("DELETE", `/api/sandboxes/${id}`);
    expect((await post(`/sandboxes/${id}/fork`, { count: 1 })).status).toBe(410);
  });
});
