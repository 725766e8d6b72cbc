import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENDPOINTS } from "../../src/server/openapi";
import { bodyOf, createTestServer, image, type TestServer } from "./test-server";

let server: TestServer;
beforeAll(async () => {
  server = await createTestServer();
});
afterAll(() => server.close());

/** Every endpoint, filled in with ids that organisation a owns. */
async function callsOnThingsOfA() {
  await server.request("POST", "/api/snapshots", { json: { name: "mine", image: image("print a") } });
  const { sandboxID } = await bodyOf(await server.request("POST", "/api/sandboxes", { json: {} }));
  const start = { json: { cmd: "sleep 1500" } };
  const { execId } = await bodyOf(await server.request("POST", `/api/sandboxes/${sandboxID}/exec/run-async`, start));
  const taken = await server.request("POST", `/api/sandboxes/${sandboxID}/checkpoints`, {
    json: { name: `c-${sandboxID}` },
  });
  const { id: checkpointId } = await bodyOf(taken);
  const values: Readonly<Record<string, unknown>> = {
    name: "mine",
    ref: "mine",
    tag: "t",
    id: sandboxID,
    execId,
    checkpointId,
    digest: "sha256:0",
  };
  return ENDPOINTS.map(({ method, path }) => ({
    method: method.toUpperCase(),
    path: `/api${path.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]))}`,
    ofOne: /\{(id|name|ref|checkpointId)\}/.test(path),
  }));
}

describe("keys", () => {
  it("are asked for by every endpoint, and a wrong one is no better than none", async () => {
    for (const { method, path } of await callsOnThingsOfA()) {
      const label = `${method} ${path}`;
      const none = await server.request(method, path, { key: "" });
      expect([label, none.status, (await bodyOf(none)).code]).toEqual([label, 401, "unauthorized"]);
      const wrong = await server.request(method, path, { key: `osb_${"0".repeat(64)}` });
      expect([label, wrong.status, (await bodyOf(wrong)).error]).toEqual([label, 401, "invalid API key"]);
    }
  });

  const forms: [string, (key: string) => { path: string; headers?: Record<string, string> }][] = [
    ["X-API-Key", (key) => ({ path: "/api/snapshots", headers: { "X-API-Key": key } })],
    ["Authorization: Bearer", (key) => ({ path: "/api/snapshots", headers: { Authorization: `Bearer ${key}` } })],
    ["?api_key=", (key) => ({ path: `/api/snapshots?api_key=${key}` })],
  ];
  it.each(forms)("come as %s", async (_, form) => {
    const { path, ...init } = form(server.keys.a);
    expect((await server.request("GET", path, { key: "", ...init })).status).toBe(200);
  });

  it("are nowhere in the database in plain form", async () => {
    const row = await server.store.findApiKey("0".repeat(64));
    expect(row).toBeUndefined();
    expect(server.keys.a).toMatch(/^osb_[0-9a-f]{64}$/);
    const { readFile } = await import("node:fs/promises");
    for (const file of ["server.db", "server.db-wal"]) {
      expect((await readFile(`${server.home}/${file}`)).includes(server.keys.a)).toBe(false);
    }
  });
});

describe("organisations", () => {
  it("do not find each other's things by any endpoint", async () => {
    // Of a good body the rest is checked before anybody says what it is about.
    const bodies: readonly [RegExp, object][] = [
      [/\/(exec|timeout)/, { cmd: "pwd", timeout: 5 }],
      [/\/checkpoints$/, { name: "c" }],
      [/\/fork$/, { count: 1 }],
    ];
    const headers = { "Content-Type": "application/json" };
    for (const { method, path, ofOne } of await callsOnThingsOfA()) {
      if (!ofOne) continue;
      const body = JSON.stringify(bodies.find(([pattern]) => pattern.test(path))?.[1] ?? {});
      const init = method === "GET" ? {} : { body, headers };
      const target = path.includes("/files") ? `${path}?path=/a` : path;
      const answer = await server.request(method, target, { key: server.keys.b, ...init });
      expect([target, answer.status]).toEqual([target, 404]);
    }
    expect((await server.request("GET", "/api/snapshots/mine")).status).toBe(200);
  });

  it("see only their own in lists, and may use the same names", async () => {
    const key = server.keys.b;
    expect(await (await server.request("GET", "/api/snapshots", { key })).json()).toEqual([]);
    expect(await (await server.request("GET", "/api/sandboxes", { key })).json()).toEqual([]);
    expect(await (await server.request("GET", "/api/checkpoints", { key })).json()).toEqual([]);
    const json = { name: "mine", image: image("print a") };
    expect((await server.request("POST", "/api/snapshots", { json, key })).status).toBe(201);
  });
});

describe("host names", () => {
  const table: [string, number][] = [
    ["localhost:1", 200],
    ["127.0.0.1", 200],
    ["[::1]:80", 200],
    ["BOX.example:80", 200],
    ["evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["10.0.0.1", 403],
  ];
  it.each(table)("%s gets %i", async (host, status) => {
    const answer = await server.request("GET", "/api/snapshots", { headers: { Host: host } });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("what is not there", () => {
  it("is answered in JSON", async () => {
    for (const path of ["/api/nope", "/nope", "/api/sandboxes/x/nope"]) {
      const answer = await server.request("GET", path);
      expect([path, answer.status, (await bodyOf(answer)).code]).toEqual([path, 404, "not_found"]);
    }
  });

  it.each(["/health", "/healthz", "/readyz"])("%s needs no key", async (path) => {
    expect((await server.request("GET", path, { key: "" })).status).toBe(200);
  });
});

describe("the OpenAPI document", () => {
  it("has every route, and nothing else", async () => {
    const served = server.app.routes
      .filter((route) => route.path.startsWith("/api/") && route.method !== "ALL")
      .map((route) => `${route.method} ${route.path.slice(4).replace(/:(\w+)/g, "{$1}")}`);
    const described = ENDPOINTS.map((endpoint) => `${endpoint.method.toUpperCase()} ${endpoint.path}`);
    expect([...new Set(served)].sort()).toEqual([...described].sort());
    const document = await bodyOf(await server.request("GET", "/api/openapi.json"));
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths as object)).toHaveLength(new Set(ENDPOINTS.map(({ path }) => path)).size);
  });
});

it("says what it is", async () => {
  expect(await bodyOf(await server.request("GET", "/api/info"))).toMatchObject({
    engine: "memory",
    version: "0.0.0-test",
  });
});
