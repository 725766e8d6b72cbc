import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/hash";
import type { Limits } from "../../src/server/limits";
import { bodyOf, createTestServer, EVENTS, image, type TestServer, until } from "./test-server";

let server: TestServer;
afterEach(() => server.close());

async function withLimits(limits: Partial<Limits>) {
  server = await createTestServer({ limits });
}

const codeOf = async (answer: Response | Promise<Response>) => {
  const { status, headers } = await answer;
  const { code, details } = (await bodyOf(await answer)) as { code?: string; details?: object };
  return { status, code, details, retryAfter: headers.get("retry-after") };
};

const exceeded = (quota: string, value: number, limit: number) => ({
  ...{ status: 429, code: "quota_exceeded", retryAfter: "1" },
  details: { quota, value, limit },
});

const post = (path: string, json: object = {}, more: object = {}) =>
  server.request("POST", `/api${path}`, { json, ...more });

describe("an organisation that has as much as it may", () => {
  it("gets no more sandboxes, however many it asks for at a time, until one is deleted", async () => {
    await withLimits({ maxSandboxes: 3 });
    const answers = await Promise.all(Array.from({ length: 6 }, () => post("/sandboxes")));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 429, 429, 429]);
    const made = answers.find(({ status }) => status === 201);
    const { sandboxID } = await bodyOf(made as Response);
    expect(await codeOf(post("/sandboxes"))).toEqual(exceeded("OPENCOMPUTER_MAX_SANDBOXES", 4, 3));
    // Asleep it is still there.
    await post(`/sandboxes/${sandboxID}/hibernate`);
    expect((await post("/sandboxes")).status).toBe(429);
    const forks = await (await post(`/sandboxes/${sandboxID}/fork`, { count: 2 })).json();
    expect(forks).toEqual([expect.objectContaining({ code: "quota_exceeded" }), expect.anything()]);
    expect((await post("/sandboxes", {}, { key: server.keys.b })).status).toBe(201);
    await server.request("DELETE", `/api/sandboxes/${sandboxID}`);
    expect((await post("/sandboxes")).status).toBe(201);
  });

  it("gets no more versions, checkpoints and stored bytes", async () => {
    await withLimits({ maxSnapshots: 1, maxCheckpoints: 1, maxStoredGB: 1 });
    expect((await post("/snapshots", { name: "a", image: image("print a") })).status).toBe(201);
    const second = post("/snapshots", { name: "b", image: image("print a") });
    expect(await codeOf(second)).toEqual(exceeded("OPENCOMPUTER_MAX_SNAPSHOTS", 2, 1));
    const { sandboxID } = await bodyOf(await post("/sandboxes"));
    expect((await post(`/sandboxes/${sandboxID}/checkpoints`, { name: "a" })).status).toBe(201);
    const another = post(`/sandboxes/${sandboxID}/checkpoints`, { name: "b" });
    expect(await codeOf(another)).toEqual(exceeded("OPENCOMPUTER_MAX_CHECKPOINTS", 2, 1));
    await server.org.touchBlobs([{ digest: `sha256:${"0".repeat(64)}`, sizeBytes: 1024 ** 3 - 5 }], Date.now());
    const put = (text: string) => server.request("PUT", `/api/blobs/${digestOf(Buffer.from(text))}`, { body: text });
    expect((await put("four")).status).toBe(204);
    const refused = await codeOf(put("five!"));
    expect(refused).toMatchObject({ status: 429, details: { quota: "OPENCOMPUTER_MAX_STORED_GB" } });
  });

  it("gets no larger warm pools, of all names together", async () => {
    await withLimits({ maxWarm: 3 });
    expect((await post("/snapshots", { name: "a", image: image("print a"), warmPool: 2 })).status).toBe(201);
    const second = post("/snapshots", { name: "b", image: image("print a"), warmPool: 2 });
    expect(await codeOf(second)).toEqual(exceeded("OPENCOMPUTER_MAX_WARM", 4, 3));
    const change = (warmPool: number) => server.request("PATCH", "/api/snapshots/a", { json: { warmPool } });
    expect((await change(3)).status).toBe(200);
    expect((await change(4)).status).toBe(429);
    expect((await change(0)).status).toBe(200);
  });

  it("begins no more builds, requests, readers and commands, until one is over", async () => {
    await withLimits({ maxBuilds: 1, maxStreams: 1, maxRequests: 3, maxCommands: 1 });
    const build = post("/snapshots", { name: "slow", image: image("wait a") }, { accept: EVENTS });
    const stream = await build;
    expect(await codeOf(post("/sandboxes", { image: image("wait b") }))).toEqual(
      exceeded("OPENCOMPUTER_MAX_BUILDS", 2, 1),
    );
    // One more reader of the same build is no build.
    const log = server.request("GET", "/api/snapshots/slow/log");
    expect(await codeOf(log)).toEqual(exceeded("OPENCOMPUTER_MAX_STREAMS", 2, 1));
    server.engine.release("a");
    await stream.text();
    await until("the log can be read", async () => {
      const again = await server.request("GET", "/api/snapshots/slow/log");
      await again.text();
      return again.status === 200;
    });
    const { sandboxID } = await bodyOf(await post("/sandboxes"));
    const asked = new AbortController();
    const run = post(`/sandboxes/${sandboxID}/exec/run`, { cmd: "sleep 60000", timeout: 30 }, { signal: asked.signal });
    await until("refused", async () => {
      const other = await codeOf(post(`/sandboxes/${sandboxID}/exec/run`, { cmd: "pwd" }));
      return (
        JSON.stringify(other) === JSON.stringify(exceeded("OPENCOMPUTER_MAX_COMMANDS", 2, 1)) || other.status === 429
      );
    });
    asked.abort();
    await run.catch(() => {});
    await until("ended", async () => (await post(`/sandboxes/${sandboxID}/exec/run`, { cmd: "pwd" })).status === 200);
  });

  it("has no more requests without an answer", async () => {
    await withLimits({ maxRequests: 2 });
    server.engine.holdCreates = "later";
    const held = [post("/sandboxes"), post("/sandboxes")];
    await until("both are under way", async () => (await server.request("GET", "/api/info")).status === 429);
    expect(await codeOf(server.request("GET", "/api/info"))).toEqual(exceeded("OPENCOMPUTER_MAX_REQUESTS", 3, 2));
    expect((await server.request("GET", "/api/info", { key: server.keys.b })).status).toBe(200);
    expect((await server.request("GET", "/health", { key: "" })).status).toBe(200);
    server.engine.release("later");
    await Promise.all(held);
    expect((await server.request("GET", "/api/info")).status).toBe(200);
  });
});
