import { Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type Call, createTransport } from "../../src/client/transport";
import type { ErrorCode } from "../../src/errors";
import { type FakeServer, type Replies, type Reply, startFakeServer } from "./fake-server";

const RETRY = { attempts: 3, baseDelayMs: 1 };
const schema = z.object({ ok: z.boolean() });
const OK: Reply = { json: { ok: true } };
const GET: Call = { method: "GET", path: "/thing" };
const POST: Call = { method: "POST", path: "/thing", json: {} };
const PUT: Call = { method: "PUT", path: "/thing", body: "bytes" };

let server: FakeServer;
afterEach(() => server?.close());

async function connect(replies: Replies, apiKey?: string) {
  server = await startFakeServer(replies);
  return createTransport({ apiUrl: server.url, retry: RETRY, ...(apiKey ? { apiKey } : {}) });
}

describe("what is sent again", () => {
  const table: [string, Call, Reply, number][] = [
    ["a read after 503", GET, { status: 503, json: { error: "busy" } }, 2],
    ["a read after 502", GET, { status: 502, chunks: ["bad gateway"] }, 2],
    ["a read after 429", GET, { status: 429, json: { error: "slow down" } }, 2],
    ["a read after a broken connection", GET, { end: "cut" }, 2],
    ["a write of bytes after 503", PUT, { status: 503, json: { error: "busy" } }, 2],
    [
      "a write from a source that can be opened again",
      { ...PUT, body: () => Readable.from(["x"]) },
      { status: 503, json: { error: "busy" } },
      2,
    ],
    ["a POST that says it is safe", { ...POST, idempotent: true }, { status: 503, json: { error: "busy" } }, 2],
  ];
  it.each(table)("%s", async (_name, call, failure, sends) => {
    const key = `${call.method} /api/thing`;
    const transport = await connect({ [key]: [failure, OK] });
    expect(await transport.json(schema, call)).toEqual({ ok: true });
    expect(server.requests).toHaveLength(sends);
  });
});

describe("what is never sent again", () => {
  const busy: Reply = { status: 503, json: { error: "busy" } };
  const table: [string, Call, Reply, ErrorCode][] = [
    ["a create after 503", POST, busy, "unavailable"],
    ["a create after a broken connection", POST, { end: "cut" }, "unavailable"],
    ["a stream that is used up", { ...PUT, body: Readable.from(["x"]) }, busy, "unavailable"],
    ["a wrong request", GET, { status: 400, json: { error: "no" } }, "invalid_input"],
    ["a fault of the server", GET, { status: 500, json: { error: "oops" } }, "internal"],
    ["a wish to wait for minutes", GET, { ...busy, headers: { "retry-after": "600" } }, "unavailable"],
  ];
  it.each(table)("%s", async (_name, call, failure, code) => {
    const transport = await connect({ [`${call.method} /api/thing`]: [failure, OK] });
    await expect(transport.send(call)).rejects.toMatchObject({ code });
    expect(server.requests).toHaveLength(1);
  });

  it("gives up after the last attempt", async () => {
    const transport = await connect({ "GET /api/thing": busy });
    await expect(transport.send(GET)).rejects.toMatchObject({ code: "unavailable", retryable: true, message: "busy" });
    expect(server.requests).toHaveLength(3);
  });
});

describe("errors", () => {
  const table: [number, unknown, ErrorCode][] = [
    [400, { error: "e" }, "invalid_input"],
    [401, { error: "e" }, "unauthorized"],
    [403, { error: "e" }, "unauthorized"],
    [404, { error: "e" }, "not_found"],
    [409, { error: "e" }, "conflict"],
    [410, { error: "e" }, "gone"],
    [418, { error: "e" }, "protocol"],
    [500, { error: "e" }, "internal"],
    [500, { error: "e", code: "build_failed", details: { step: 2 } }, "build_failed"],
    [500, { error: "e", code: "a code of the future" }, "internal"],
  ];
  it.each(table)("status %s with %j is %s", async (status, json, code) => {
    const transport = await connect({ "GET /api/thing": { status, json } });
    const details = expect.objectContaining({ status, ...(json as { details?: object }).details });
    await expect(transport.send(GET)).rejects.toMatchObject({ code, message: "e", details });
  });

  it("does not take a stranger's 404 for the thing being gone", async () => {
    const transport = await connect({ "GET /api/thing": { status: 404, chunks: ["<html>nginx</html>"] } });
    await expect(transport.send(GET)).rejects.toMatchObject({
      code: "protocol",
      message: expect.stringContaining("nginx"),
    });
  });

  it.each([
    ["not JSON", { chunks: ["hello"] }],
    ["another shape", { json: { ok: "yes" } }],
    ["cut JSON", { chunks: ['{"ok":'] }],
  ])("an answer that is %s is a protocol error", async (_name, reply) => {
    const transport = await connect({ "GET /api/thing": reply });
    await expect(transport.json(schema, GET)).rejects.toMatchObject({ code: "protocol" });
  });

  it("names the server that is not there, and what to do", async () => {
    const transport = createTransport({ apiUrl: "http://127.0.0.1:9", retry: RETRY });
    await expect(transport.send(GET)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/http:\/\/127\.0\.0\.1:9 cannot be reached \(ECONNREFUSED\).*check/),
    });
  });

  it("tells of a silent server", async () => {
    const transport = await connect({ "GET /api/thing": { chunks: ["{"], end: "hang" } });
    await expect(transport.json(schema, { ...GET, silenceTimeoutMs: 50 })).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("an abort", () => {
  it.each([
    ["before the call", { ...OK }, 0],
    ["before the answer", { chunks: [], end: "hang" } as Reply, 30],
    ["in the middle of the answer", { chunks: ["{"], end: "hang" } as Reply, 30],
    ["between two attempts", { status: 503, json: { error: "busy" }, headers: { "retry-after": "5" } }, 30],
  ])("%s ends the call with the code aborted", async (_name, reply, afterMs) => {
    const transport = await connect({ "GET /api/thing": reply });
    const signal = afterMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(afterMs);
    await expect(transport.json(schema, { ...GET, signal })).rejects.toMatchObject({ code: "aborted" });
  });

  it("ends any number of calls, which share a signal without a warning", async () => {
    const transport = await connect({ "GET /api/thing": { chunks: [], end: "hang" } });
    const warnings: Error[] = [];
    const listen = (warning: Error) => void warnings.push(warning);
    process.on("warning", listen);
    const stop = new AbortController();
    const calls = Array.from({ length: 30 }, () => transport.json(schema, { ...GET, signal: stop.signal }));
    setTimeout(() => stop.abort(), 50);
    const ends = await Promise.allSettled(calls);
    process.off("warning", listen);
    expect(ends.every(({ status }) => status === "rejected")).toBe(true);
    expect(warnings).toEqual([]);
  });
});

describe("the key", () => {
  it.each([
    ["k1", "k1"],
    ["", undefined],
  ])("%j is sent as %j", async (apiKey, header) => {
    const transport = await connect({ "GET /api/thing": OK }, apiKey);
    await transport.send(GET);
    expect(server.requests[0]?.headers["x-api-key"]).toBe(header);
  });
});
