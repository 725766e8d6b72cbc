import { once } from "node:events";
import pino from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { type HttpListener, listen } from "../../src/server/http-listener";
import { DEFAULT_LIMITS } from "../../src/server/limits";
import { MALFORMED_REQUESTS } from "../fixtures/malformed-http";
import { openSocket, sendRaw } from "../fixtures/raw-http";
import { bodyOf, createTestServer, image, type TestServer, type TestServerOptions, until } from "./test-server";

const MIB = 1024 * 1024;

let server: TestServer;
let listener: HttpListener | undefined;
afterEach(async () => {
  await listener?.close(0);
  listener = undefined;
  await server.close();
});

/** The app over a real connection. */
async function serve(
  options: TestServerOptions = {},
  times: { stallTimeoutMs?: number; headersTimeoutMs?: number } = {},
) {
  server = await createTestServer(options);
  const maxConnections = options.limits?.maxConnections ?? 100;
  const fetch = (request: Request, bindings: object) => server.app.fetch(request, bindings);
  listener = await listen({ fetch, host: "127.0.0.1", port: 0, maxConnections, ...times });
  return listener.url;
}

const head = (line: string, ...headers: string[]) =>
  [`${line} HTTP/1.1`, "Host: localhost", `X-API-Key: ${server.keys.a}`, ...headers, "", ""].join("\r\n");

const codeIn = (text: string) => /"code":"([a-z_]+)"/.exec(text)?.[1];

describe("what is no HTTP, or too much of it", () => {
  it("is answered in JSON or not at all, at once", async () => {
    const url = await serve({}, { headersTimeoutMs: 500, stallTimeoutMs: 1_000 });
    for (const [what, ...pieces] of MALFORMED_REQUESTS) {
      const keyed = pieces.map((piece) => Buffer.from(piece.replaceAll("KEY", server.keys.a), "latin1"));
      const { status, text, hung } = await sendRaw(url, keyed, 5_000);
      expect([what, hung]).toEqual([what, false]);
      if (status === 0) continue;
      expect([what, status >= 400 && status < 500, text]).toEqual([what, true, text]);
    }
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  const table: [string, number, () => (string | Buffer)[]][] = [
    ["headers of more than 32 KiB", 431, () => [head("GET /api/info", `X-A: ${"a".repeat(40_000)}`)]],
    [
      "more than 100 headers",
      431,
      () => [head("GET /api/info", ...Array.from({ length: 150 }, (_, at) => `X-${at}: a`))],
    ],
    ["a URL of more than 16 KiB", 414, () => [head(`GET /api/info?a=${"a".repeat(20_000)}`)]],
    ["a compressed body", 415, () => [head("POST /api/plan", "Content-Encoding: gzip", "Content-Length: 2"), "{}"]],
    ["a WebSocket", 400, () => [head("GET /api/info", "Connection: Upgrade", "Upgrade: websocket")]],
    ["a body that says that it is too large", 413, () => [head("POST /api/snapshots", "Content-Length: 1048577"), "{"]],
    [
      "a file that says that it is too large",
      413,
      () => [head(`PUT /api/blobs/sha256:${"0".repeat(64)}`, "Content-Length: 5368709121")],
    ],
    [
      "a body that turns out to be too large",
      413,
      () => [
        head("POST /api/snapshots", "Transfer-Encoding: chunked"),
        `180000\r\n${" ".repeat(0x18_0000)}\r\n`,
        "0\r\n\r\n",
      ],
    ],
    ["a body nested too deep", 400, () => [head("POST /api/plan", "Content-Length: 200000"), "[".repeat(200_000)]],
  ];
  it.each(table)("%s gets %i", async (_, status, pieces) => {
    const url = await serve({ limits: { maxBodyMB: 1 } });
    const answer = await sendRaw(url, pieces(), 5_000);
    expect([answer.status, codeIn(answer.text)]).toEqual([status, "invalid_input"]);
  });

  it("is a body of more than a million values", async () => {
    await serve({ limits: { maxBodyMB: 8 } });
    const body = `[${"0,".repeat(1_000_000)}0]`;
    const answer = await server.request("POST", "/api/plan", { body });
    expect([answer.status, (await bodyOf(answer))["error"]]).toEqual([400, expect.stringContaining("1000000 values")]);
  });

  it("is told of a hundred problems, not of all", async () => {
    await serve();
    const labels = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`bad label ${at}`, "a"]));
    const answer = await server.request("POST", "/api/snapshots", {
      json: { name: "a", image: image("true"), labels },
    });
    const { error, details } = (await bodyOf(answer)) as { error: string; details: { problems: unknown[] } };
    expect([answer.status, details.problems.length]).toEqual([400, 100]);
    expect(error).toMatch(/\d+ problems:[\s\S]*… and \d+ more$/);
  });

  it("is JSON on its way of one organisation, all requests together", async () => {
    const url = await serve({ limits: { maxBodyMB: 1 } });
    const waiting = await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const socket = await openSocket(url);
        socket.write(`${head("POST /api/plan", `Content-Length: ${MIB}`)}${" ".repeat(MIB - 10)}`);
        return socket;
      }),
    );
    await until("four are held", async () => {
      const answer = await server.request("POST", "/api/plan", { body: " ".repeat(1_000) });
      return answer.status === 429;
    });
    expect((await server.request("POST", "/api/plan", { body: "{}", key: server.keys.b })).status).toBe(400);
    for (const socket of waiting) socket.destroy();
    await until("given back", async () => {
      return (await server.request("POST", "/api/plan", { body: " ".repeat(1_000) })).status === 400;
    });
  });
});

describe("who sends or reads slowly", () => {
  it("is cut off: headers that do not end, a body that does not come, an answer that nobody reads", async () => {
    const url = await serve({}, { headersTimeoutMs: 300, stallTimeoutMs: 400 });
    const trickle = await openSocket(url);
    trickle.write("GET /api/info HTTP/1.1\r\nHost: localhost\r\n");
    const dripping = setInterval(() => trickle.write("X-A: a\r\n"), 50);
    const silent = await openSocket(url);
    const body = await openSocket(url);
    body.write(`${head("POST /api/plan", "Content-Length: 100")}{`);
    const closed = [trickle, silent, body].map((socket) => once(socket.resume(), "close"));
    await Promise.all(closed);
    clearInterval(dripping);
  });

  it("is left alone while the server is what is slow", async () => {
    const url = await serve({}, { stallTimeoutMs: 200 });
    server.engine.holdCreates = "later";
    const asked = fetch(`${url}/api/sandboxes`, {
      method: "POST",
      headers: { "X-API-Key": server.keys.a },
      body: "{}",
    });
    await new Promise((resolve) => setTimeout(resolve, 900));
    server.engine.release("later");
    expect((await asked).status).toBe(201);
  });

  it("costs no memory and holds up nobody: readers that never read a log of 100 MB", { timeout: 60_000 }, async () => {
    const url = await serve({}, { stallTimeoutMs: 3_000 });
    const line = "x".repeat(1_000);
    server.engine.build = async ({ onLog }) => {
      for (let at = 0; at < 100_000; at += 1) {
        onLog({ step: 1, type: "run", stream: "stdout", message: line });
        if (at % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return { layers: [server.engine.baseDigest], env: {}, workdir: null };
    };
    const json = JSON.stringify({ name: "loud", image: image("print a") });
    const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(url)));
    const before = process.memoryUsage().rss;
    for (const socket of sockets) {
      socket.pause();
      socket.write(
        `${head("POST /api/snapshots", "Accept: text/event-stream", `Content-Length: ${json.length}`)}${json}`,
      );
    }
    let sizeBytes = 0;
    let newest = "";
    for await (const chunk of (await fetch(`${url}/api/snapshots`, postOf(json))).body ?? []) {
      sizeBytes += chunk.byteLength;
      newest = newest.slice(-1_000) + Buffer.from(chunk).toString();
    }
    expect(newest).toContain("the rest of what commands print is not kept");
    expect([sizeBytes > 60 * MIB, sizeBytes < 80 * MIB]).toEqual([true, true]);
    expect((process.memoryUsage().rss - before) / MIB).toBeLessThan(250);
    await until("all are cut off and forgotten", () => hasNoReaders());
    for (const socket of sockets) socket.destroy();
  });
});

function hasNoReaders(): boolean {
  try {
    server.services.quotas.enter("a", "streams", DEFAULT_LIMITS.maxStreams)();
    return true;
  } catch {
    return false;
  }
}

function postOf(body: string): RequestInit {
  return { method: "POST", headers: { "X-API-Key": server.keys.a, Accept: "text/event-stream" }, body };
}

describe("browsers", () => {
  const table: [string, Record<string, string>, number][] = [
    ["no browser", {}, 200],
    ["the server's own page", { Origin: "http://localhost:1", "Sec-Fetch-Site": "same-origin" }, 200],
    ["an address typed in", { "Sec-Fetch-Site": "none" }, 200],
    ["a page of an allowed host", { Origin: "https://box.example", "Sec-Fetch-Site": "cross-site" }, 200],
    ["a page of another origin", { Origin: "https://evil.example" }, 403],
    ["another port of this machine", { Origin: "http://localhost:3000", "Sec-Fetch-Site": "same-site" }, 403],
    ["a page without an origin", { Origin: "null" }, 403],
    ["a picture of another page", { "Sec-Fetch-Site": "cross-site" }, 403],
    ["a picture of a neighbour's page", { "Sec-Fetch-Site": "same-site" }, 403],
    ["a host that only begins alike", { Origin: "http://localhost:1.evil.example" }, 403],
  ];
  it.each(table)("%s", async (_, headers, status) => {
    server = await createTestServer();
    const answer = await server.request("GET", "/api/info", { headers: { Host: "localhost:1", ...headers } });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("keys", () => {
  it("are in no log, wherever they were sent", async () => {
    const lines: string[] = [];
    const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
    server = await createTestServer({ log });
    server.engine.failCreate = new Error("broken");
    const key = server.keys.a;
    await server.request("GET", `/api/info?api_key=${key}`, { key: "" });
    await server.request("GET", `/api/nothing?api_key=${key}`, { key: "" });
    await server.request("POST", `/api/sandboxes?api_key=${key}`, { key: "", body: "{}" });
    await server.request("GET", `/api/info?api_key=${key}1`, { key: "", headers: { Authorization: `Bearer ${key}` } });
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.filter((line) => line.includes(key.slice(4)))).toEqual([]);
  });
});

describe("connections", () => {
  it("beyond the limit are closed, and the others go on", async () => {
    const url = await serve({ limits: { maxConnections: 3 } });
    const open = await Promise.all([1, 2, 3].map(() => openSocket(url)));
    const beyond = await openSocket(url);
    await once(beyond.resume(), "close");
    open[0]?.write(head("GET /api/info"));
    const [answer] = await once(open[0] ?? beyond, "data");
    expect(String(answer)).toContain("200 OK");
    for (const socket of open) socket.destroy();
  });
});
