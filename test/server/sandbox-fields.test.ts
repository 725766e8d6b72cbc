import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, image, listOf, type TestServer } from "./test-server";

let server: TestServer;
let now = 1_800_000_000_000;
beforeEach(async () => {
  server = await createTestServer({ now: () => now });
});
afterEach(() => server.close());

const create = (json: object) => server.request("POST", "/api/sandboxes", { json: { templateID: "base", ...json } });
const createId = async (json: object) => String((await bodyOf(await create(json))).sandboxID);
const get = async (id: string) => await bodyOf(await server.request("GET", `/api/sandboxes/${id}`));
const listIds = async (query: string) =>
  (await listOf(await server.request("GET", `/api/sandboxes${query}`))).map((record) => record.sandboxID);

describe("tags", () => {
  const put = (id: string, json: unknown) => server.request("PUT", `/api/sandboxes/${id}/tags`, { json });
  const tagsOf = async (id: string) => await bodyOf(await server.request("GET", `/api/sandboxes/${id}/tags`));

  it("are given at creation, put in the place of all, and shown in record and list", async () => {
    const id = await createId({ tags: { team: "core", "a/b.c:d-e_f": "" } });
    const created = new Date(now).toISOString();
    expect(await tagsOf(id)).toEqual({ tags: { team: "core", "a/b.c:d-e_f": "" }, tagsLastUpdatedAt: created });
    now += 1000;
    const later = { tags: { stage: "dev" }, tagsLastUpdatedAt: new Date(now).toISOString() };
    const answer = await put(id, { stage: "dev" });
    expect([answer.status, await bodyOf(answer), await tagsOf(id)]).toEqual([200, later, later]);
    expect(await get(id)).toMatchObject({ tags: { stage: "dev" } });
    expect(await listOf(await server.request("GET", "/api/sandboxes"))).toMatchObject([{ tags: { stage: "dev" } }]);
    await put(id, {});
    expect(await get(id)).toMatchObject({ tags: {} });
  });

  it("are none where nobody gave any", async () => {
    const id = await createId({});
    expect(await tagsOf(id)).toEqual({ tags: {}, tagsLastUpdatedAt: null });
    expect(await get(id)).toMatchObject({ tags: {} });
  });

  it("can be changed of one that has stopped, and of none that never was", async () => {
    const id = await createId({});
    await server.request("DELETE", `/api/sandboxes/${id}`);
    expect((await put(id, { a: "1" })).status).toBe(200);
    expect((await put("sb-000000000000", { a: "1" })).status).toBe(404);
    expect((await server.request("GET", "/api/sandboxes/sb-000000000000/tags")).status).toBe(404);
    const stranger = { key: server.keys.b, json: { a: "2" } };
    expect((await server.request("PUT", `/api/sandboxes/${id}/tags`, stranger)).status).toBe(404);
    expect((await tagsOf(id)).tags).toEqual({ a: "1" });
  });

  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, "x"]));
  const limits: [string, unknown, number][] = [
    ["50 of them", many(50), 200],
    ["51 of them", many(51), 400],
    ["a key of 128 characters", { ["k".repeat(128)]: "" }, 200],
    ["a key of 129 characters", { ["k".repeat(129)]: "" }, 400],
    ["a value of 256 characters", { k: "v".repeat(256) }, 200],
    ["a value of 257 characters", { k: "v".repeat(257) }, 400],
    ["the service's own prefix", { "oc:k": "v" }, 400],
    ["a space in a key", { "a b": "v" }, 400],
    ["a number as value", { a: 1 }, 400],
    ["a list", ["a"], 400],
  ];
  it.each(limits)("of %s", async (_, tags, status) => {
    const id = await createId({});
    expect((await put(id, tags)).status).toBe(status);
    expect((await create({ tags })).status).toBe(status === 200 ? 201 : status);
  });

  it("choose what is listed", async () => {
    const [, core, both] = [
      await createId({}),
      await createId({ tags: { team: "core" } }),
      await createId({ tags: { team: "core", query: "a=b&c" } }),
    ];
    expect(await listIds("?tag=team=core")).toEqual([both, core]);
    expect(await listIds(`?tag=team=core&tag=${encodeURIComponent("query=a=b&c")}`)).toEqual([both]);
    expect(await listIds("?tag=team=core&tag=team=other")).toEqual([]);
    expect(await listIds("?tag=toString=x")).toEqual([]);
    expect((await server.request("GET", "/api/sandboxes?tag=team")).status).toBe(400);
  });
});

describe("the network", () => {
  const list = ["pypi.org", "*.pypi.org", "192.0.2.7", "192.0.2.0/24"];
  const policies: [object, unknown][] = [
    [{}, "egress"],
    [{ networkEnabled: true }, "egress"],
    [{ networkEnabled: null, egressAllowlist: null }, "egress"],
    [{ egressAllowlist: [] }, "egress"],
    [{ networkEnabled: false }, "none"],
    [{ networkEnabled: false, egressAllowlist: list }, "none"],
    [{ egressAllowlist: list }, { allow: list }],
    [{ networkEnabled: true, egressAllowlist: list }, { allow: list }],
  ];
  it.each(policies)("that a request calls %j is %j, for the engine and in the record", async (asked, network) => {
    await server.request("POST", "/api/snapshots", { json: { name: "tools", image: image("print a") } });
    for (const origin of [{}, { image: image("print a") }, { snapshot: "tools" }]) {
      const record = await bodyOf(await create({ ...origin, ...asked }));
      const id = String(record.sandboxID);
      expect(record.network).toEqual(network);
      expect(server.engine.sandboxes.get(id)?.spec.network).toEqual(network);
      expect((await get(id)).network).toEqual(network);
    }
  });

  const refused: [string, object][] = [
    ["a URL", { egressAllowlist: ["https://pypi.org"] }],
    ["a star inside", { egressAllowlist: ["a.*.org"] }],
    ["every name", { egressAllowlist: ["*"] }],
    ["a block that is none", { egressAllowlist: ["192.0.2.0/33"] }],
    ["an address that is none", { egressAllowlist: ["999.1.1.1"] }],
    ["a text", { egressAllowlist: "pypi.org" }],
    ["a word for no", { networkEnabled: "false" }],
    ["too much", { egressAllowlist: Array.from({ length: 257 }, (_, i) => `h${i}`) }],
    ["the record's word", { network: "none" }],
  ];
  it.each(refused)("is not %s", async (_, json) => {
    expect((await create(json)).status).toBe(400);
    expect(server.engine.sandboxes.size).toBe(0);
  });
});
