import { afterEach, describe, expect, it } from "vitest";
import type { CreateSandboxRequest } from "../../src/api/contract";
import { createClient } from "../../src/client/client";
import { type FakeServer, type Replies, type Reply, sse, startFakeServer } from "./fake-server";

const SANDBOX = { sandboxID: "sb-1", status: "running" };
const TAGS = { team: "core" };
const OK: Reply = { status: 204 };

let server: FakeServer;
let warnings: string[];
afterEach(() => server?.close());

async function connect(replies: Replies) {
  warnings = [];
  server = await startFakeServer(replies);
  const onWarning = (message: string) => warnings.push(message);
  return createClient({ apiUrl: server.url, apiKey: "k", retry: { attempts: 1, baseDelayMs: 1 }, onWarning });
}

const calls = () => server.requests.map((request) => request.call);
const sent = (index: number) => JSON.parse(server.requests[index]?.body.toString() ?? "");

describe("what a create sends", () => {
  const table: [CreateSandboxRequest, object][] = [
    [{ network: "none" }, { networkEnabled: false }],
    [{ network: "egress" }, { networkEnabled: true }],
    [{ network: { allow: ["pypi.org"] } }, { egressAllowlist: ["pypi.org"] }],
    [
      { tags: TAGS, owner: "urn" },
      { tags: TAGS, owner: "urn" },
    ],
  ];
  it.each(table)("of %j is %j", async (request, body) => {
    const { tags, network } = request;
    const record = { ...SANDBOX, ...(tags ? { tags } : {}), ...(network ? { network } : {}) };
    const api = await connect({ "POST /api/sandboxes": { status: 201, json: record } });
    expect(await api.createSandbox(request)).toEqual(record);
    expect(sent(0)).toEqual({ templateID: "base", timeout: 0, ...body });
    expect(calls()).toHaveLength(1);
  });

  const bad = ["nonee", { allow: [] }, { allow: ["https://x"] }, null];
  it.each(bad)("is nothing where the network is %j", async (network) => {
    const api = await connect({});
    const request = { network } as CreateSandboxRequest;
    await expect(api.createSandbox(request)).rejects.toMatchObject({
      ...{ code: "invalid_input", message: expect.stringContaining("network") },
    });
    expect(calls()).toEqual([]);
  });
});

describe("on a server that takes tags only afterwards", () => {
  const create: Replies = { "POST /api/sandboxes": { status: 201, json: SANDBOX } };

  it("they are set then", async () => {
    const api = await connect({ ...create, "PUT /api/sandboxes/sb-1/tags": { json: { tags: TAGS } } });
    expect(await api.createSandbox({ tags: TAGS })).toEqual({ ...SANDBOX, tags: TAGS });
    expect([calls()[1], sent(1)]).toEqual(["PUT /api/sandboxes/sb-1/tags", TAGS]);
  });

  const ends: [string, Reply, number][] = [
    ["killed where that fails", OK, 0],
    ["named where it cannot be killed either", { status: 500, json: { error: "oops" } }, 1],
  ];
  it.each(ends)("it is %s", async (_name, killed, count) => {
    const refused = { status: 400, json: { error: "no tags", code: "invalid_input" } };
    const api = await connect({
      ...create,
      "PUT /api/sandboxes/sb-1/tags": refused,
      "DELETE /api/sandboxes/sb-1": killed,
    });
    await expect(api.createSandbox({ tags: TAGS })).rejects.toMatchObject({ message: "no tags" });
    expect(calls().at(-1)).toBe("DELETE /api/sandboxes/sb-1");
    expect(warnings.filter((warning) => warning.includes("sb-1"))).toHaveLength(count);
  });
});

describe("a network that a server passes over", () => {
  const replies: Replies = {
    "POST /api/sandboxes": ({ headers }) =>
      headers["accept"] === "text/event-stream" ? sse(["result", SANDBOX]) : { status: 201, json: SANDBOX },
    "DELETE /api/sandboxes/sb-1": OK,
  };

  it.each(["none", { allow: ["pypi.org"] }] as const)("of %j from a snapshot gives no sandbox", async (network) => {
    const api = await connect(replies);
    await expect(api.createSandbox({ snapshot: "n", network })).rejects.toMatchObject({ code: "unsupported" });
    expect(calls()).toEqual(["POST /api/sandboxes", "DELETE /api/sandboxes/sb-1"]);
  });

  const fine: CreateSandboxRequest[] = [{ snapshot: "n", network: "egress" }, { snapshot: "n" }, { network: "none" }];
  it.each(fine)("is none in %j", async (request) => {
    const api = await connect(replies);
    expect(await api.createSandbox(request)).toEqual(SANDBOX);
  });
});

it("a list asks for tags", async () => {
  const api = await connect({ "GET /api/sandboxes": { json: [{ ...SANDBOX, tags: TAGS }] } });
  expect(await api.listSandboxes({ tags: { team: "core", "a:b": "x&y" } })).toMatchObject([{ tags: TAGS }]);
  await api.listSandboxes();
  expect(calls()).toEqual(["GET /api/sandboxes?tag=team%3Dcore&tag=a%3Ab%3Dx%26y", "GET /api/sandboxes"]);
});
