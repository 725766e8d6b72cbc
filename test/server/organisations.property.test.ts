import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/hash";
import { namedEndpoints, WIRE_CASES } from "../fixtures/wire-cases";
import { bodyOf, createTestServer, image, listOf, type TestServer, until } from "./test-server";

const SEED = 2026;
const RUNS = 150;
const LISTS = new Set(["GET /snapshots", "GET /sandboxes", "GET /checkpoints", "GET /builds"]);

let server: TestServer;
let things: Readonly<Record<string, readonly string[]>>;
beforeAll(async () => {
  server = await createTestServer();
  things = await makeThings();
});
afterAll(() => server.close());

/** What organisation a has: by the parameter that can name it. */
async function makeThings() {
  const json = { name: "mine", image: image("print a"), labels: { a: "b" } };
  await server.request("POST", "/api/snapshots", { json });
  await server.request("PUT", "/api/snapshots/mine/tags/stable");
  await server.request("POST", "/api/snapshots", { json: { ...json, name: "failed", image: image("fail") } });
  const [{ contentHash }, running, asleep, stopped] = await Promise.all([
    server.request("GET", "/api/snapshots/mine").then(bodyOf),
    makeSandbox("r"),
    makeSandbox("s"),
    makeSandbox("t"),
  ]);
  await server.request("POST", `/api/sandboxes/${asleep}/hibernate`);
  await server.request("DELETE", `/api/sandboxes/${stopped}`);
  const start = { json: { cmd: "sleep 600000" } };
  const { execId } = await bodyOf(await server.request("POST", `/api/sandboxes/${running}/exec/run-async`, start));
  const taken = await server.request("POST", `/api/sandboxes/${running}/checkpoints`, { json: { name: "c" } });
  const checkpointId = String((await bodyOf(taken))["id"]);
  await until("taken", async () => {
    return (await bodyOf(await server.request("GET", `/api/checkpoints/${checkpointId}`)))["status"] === "ready";
  });
  const builds = (await listOf(await server.request("GET", "/api/builds"))).map(({ id }) => String(id));
  const refs = ["mine", "mine@1", `mine@${String(contentHash).slice(0, 12)}`, "mine:stable", "failed"];
  return {
    ...{ name: ["mine", "failed"], ref: refs, tag: ["stable"], execId: [String(execId)] },
    ...{
      id: [running, asleep, stopped, ...builds],
      checkpointId: [checkpointId],
      digest: [`sha256:${"0".repeat(64)}`],
    },
  };
}

async function makeSandbox(owner: string): Promise<string> {
  const made = await server.request("POST", "/api/sandboxes", { json: { owner, tags: { a: "b" } } });
  return String((await bodyOf(made))["sandboxID"]);
}

/** All that organisation a can see. */
async function seenByA(): Promise<string> {
  const lists = ["/snapshots", "/sandboxes", "/checkpoints", "/builds", "/snapshots/mine/versions"];
  const texts = lists.map(async (path) => (await server.request("GET", `/api${path}`)).text());
  return JSON.stringify(await Promise.all(texts));
}

/** What b is told; the names that it said itself are cut out. */
async function askAsB(name: string, method: string, path: string, said: readonly string[]) {
  const { json, bytes, query } = WIRE_CASES[name] ?? {};
  const target = `/api${path}${query ? `?${query}` : ""}`;
  const body = { ...(json ? { json } : {}), ...(bytes ? { body: bytes } : {}) };
  const answer = await server.request(method, target, { key: server.keys.b, ...body });
  const longestFirst = [...said].sort((a, b) => b.length - a.length);
  const text = longestFirst.reduce((rest, value) => rest.replaceAll(value, "ID"), await answer.text());
  return { status: answer.status, text };
}

/** A name of the same form that nobody has. */
function strangeOf(value: string): string {
  const [name = "", rest] = value.split(/(?=[@:])/);
  const other = /^[0-9a-f]{8}-/.test(name) ? "7".repeat(8) + name.slice(8) : name.replace(/[0-9a-z]/g, "z");
  return other + (rest ?? "");
}

const naming = namedEndpoints().filter(({ name }) => WIRE_CASES[name]?.names);

describe("an organisation", () => {
  it("cannot tell another's things from none, nor change them, by any endpoint", { timeout: 60_000 }, async () => {
    const before = await seenByA();
    const asked = new Set<string>();
    const calls = fc.constantFrom(...naming).chain(({ name, method, path }) => {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter ?? "");
      const values = names.map((parameter) => fc.constantFrom(...(things[parameter] ?? [])));
      return fc.tuple(...values).map((chosen) => ({ name, method, path, names, chosen }));
    });
    const law = fc.asyncProperty(calls, async ({ name, method, path, names, chosen }) => {
      asked.add(name);
      const fill = (values: readonly string[]) =>
        names.reduce((text, key, at) => text.replace(`{${key}}`, encodeURIComponent(values[at] ?? "")), path);
      const theirs = await askAsB(name, method, fill(chosen), chosen);
      const nobodys = chosen.map((value) => strangeOf(value));
      const none = await askAsB(name, method, fill(nobodys), nobodys);
      expect([name, theirs.status]).toEqual([name, 404]);
      expect([name, theirs]).toEqual([name, none]);
    });
    await fc.assert(law, { seed: SEED, numRuns: RUNS });
    expect([...asked].sort()).toEqual(naming.map(({ name }) => name).sort());
    expect(await seenByA()).toBe(before);
  });

  it("sees nothing of another in what names nobody's things", async () => {
    const secrets = Object.entries(things).flatMap(([key, values]) =>
      key === "digest" || key === "tag" ? [] : values,
    );
    // The lists first, before b has things of its own.
    const lists = namedEndpoints().sort((a, b) => a.method.localeCompare(b.method));
    for (const { name, method, path } of lists) {
      if (WIRE_CASES[name]?.names || name === "PUT /blobs/{digest}") continue;
      const { text, status } = await askAsB(name, method, path, []);
      expect([name, status < 300]).toEqual([name, true]);
      expect([name, secrets.filter((secret) => secret.length > 8 && text.includes(secret))]).toEqual([name, []]);
      if (LISTS.has(name)) expect([name, text]).toEqual([name, "[]"]);
    }
  });

  it("cannot use the bytes of another's files, nor know that they are there", async () => {
    const bytes = "only a has these";
    const digest = digestOf(Buffer.from(bytes));
    expect((await server.request("PUT", `/api/blobs/${digest}`, { body: bytes })).status).toBe(204);
    const key = server.keys.b;
    const missing = await bodyOf(
      await server.request("POST", "/api/blobs/missing", { key, json: { digests: [digest] } }),
    );
    expect(missing).toEqual({ missing: [digest], arrived: {} });
    const steps = [{ type: "add_file", args: { path: "/a", digest } }];
    const answer = await server.request("POST", "/api/sandboxes", { key, json: { image: { base: "base", steps } } });
    expect([answer.status, (await bodyOf(answer))["code"]]).toEqual([422, "blob_missing"]);
  });
});
