import { afterEach, describe, expect, it } from "vitest";
import type { BuildLogEvent } from "../../src/api/records";
import { createClient } from "../../src/client/client";
import { Image } from "../../src/image/image";
import { type FakeServer, type Replies, type Reply, sse, startFakeServer } from "./fake-server";

const SNAPSHOT = { id: "1", name: "n", status: "ready", contentHash: "abc:named:n", manifest: {}, createdAt: "2026" };
const SANDBOX = { sandboxID: "sb-1", status: "running", endAt: "0001-01-01T00:00:00Z" };
const JQ = Image.base().aptInstall(["jq"]).resolve();
const LOG = { step: 1, type: "apt_install", message: "step 1/1" };

let server: FakeServer;
afterEach(() => server?.close());

async function connect(replies: Replies) {
  server = await startFakeServer(replies);
  return createClient({ apiUrl: server.url, apiKey: "k", retry: { attempts: 1, baseDelayMs: 1 } });
}

const sent = (index = 0) => JSON.parse(server.requests[index]?.body.toString() ?? "");

describe("the requests, as the official clients send them", () => {
  it("creates a snapshot over a stream", async () => {
    const api = await connect({ "POST /api/snapshots": sse(["build_log", LOG], ["result", SNAPSHOT]) });
    const logs: BuildLogEvent[] = [];
    const info = await api.createSnapshot({ name: "n", image: JQ }, { onBuildLog: (event) => logs.push(event) });
    expect(info).toMatchObject({ name: "n", contentHash: "abc" });
    expect(logs).toEqual([LOG]);
    expect(server.requests[0]?.headers).toMatchObject({ accept: "text/event-stream", "x-api-key": "k" });
    const steps = [{ type: "apt_install", args: { packages: ["jq"] } }];
    expect(sent()).toEqual({ name: "n", image: { base: "base", steps } });
  });

  it("creates a sandbox from the base without a stream", async () => {
    const api = await connect({ "POST /api/sandboxes": { status: 201, json: SANDBOX } });
    expect(await api.createSandbox({ envs: { A: "1" }, memoryMB: 1024 })).toEqual({
      sandboxID: "sb-1",
      status: "running",
    });
    expect(sent()).toEqual({ templateID: "base", timeout: 0, envs: { A: "1" }, memoryMB: 1024 });
  });

  it("creates a sandbox from a snapshot over a stream", async () => {
    const api = await connect({ "POST /api/sandboxes": sse(["result", SANDBOX]) });
    await api.createSandbox({ snapshot: "n", timeout: 60 });
    expect(sent()).toEqual({ templateID: "base", timeout: 60, snapshot: "n" });
    expect(server.requests[0]?.headers["accept"]).toBe("text/event-stream");
  });

  it("encodes names, ids and paths", async () => {
    const api = await connect({
      "GET /api/snapshots/a%2Fb": { json: SNAPSHOT },
      "DELETE /api/sandboxes/s/files": { status: 204 },
    });
    await api.getSnapshot("a/b");
    await api.removeFile("s", "/a b&c");
    expect(server.requests.map((request) => request.call)).toEqual([
      "GET /api/snapshots/a%2Fb",
      "DELETE /api/sandboxes/s/files?path=%2Fa%20b%26c",
    ]);
  });

  it("takes null for an empty list", async () => {
    const calls = ["/api/snapshots", "/api/sandboxes", "/api/sandboxes/s/files/list"];
    const api = await connect(Object.fromEntries(calls.map((path) => [`GET ${path}`, { json: null }])));
    expect([await api.listSnapshots(), await api.listSandboxes(), await api.listFiles("s", "/")]).toEqual([[], [], []]);
  });
});

describe("a build", () => {
  const STREAM = { "content-type": "text/event-stream" };
  const FAILED = { error: "step 2 failed", code: "build_failed", details: { step: 2, exitCode: 1 } };
  const table: [string, Reply, object][] = [
    [
      "fails with the server's error",
      sse(["build_log", LOG], ["error", FAILED]),
      { code: "build_failed", details: { step: 2, exitCode: 1 } },
    ],
    ["fails with an error that has no code", sse(["error", { error: "no" }]), { code: "build_failed", message: "no" }],
    ["refused before the stream", { status: 409, json: { error: "taken" } }, { code: "conflict", message: "taken" }],
    [
      "ends without a result",
      sse(["build_log", LOG]),
      { code: "protocol", message: expect.stringMatching(/without a result.*server's log/) },
    ],
    [
      "ends in the middle of the result",
      { headers: STREAM, chunks: ['event: result\ndata: {"id"'] },
      { code: "protocol" },
    ],
    ["loses its connection", { headers: STREAM, chunks: [": hi\n\n"], end: "cut" }, { code: "unavailable" }],
    ["ends with another thing than a snapshot", sse(["result", { id: 1 }]), { code: "protocol" }],
  ];
  it.each(table)("%s", async (_name, reply, expected) => {
    const api = await connect({ "POST /api/snapshots": reply });
    await expect(api.createSnapshot({ name: "n", image: JQ })).rejects.toMatchObject(expected);
    expect(server.requests).toHaveLength(1);
  });

  it("is answered by servers that do not stream", async () => {
    const api = await connect({ "POST /api/snapshots": { status: 201, json: SNAPSHOT } });
    expect(await api.createSnapshot({ name: "n", image: JQ })).toMatchObject({ contentHash: "abc" });
  });

  const open: Reply = { ...sse(["build_log", LOG]), end: "hang" };
  it("is left when the signal fires, and the server sees it", async () => {
    const api = await connect({ "POST /api/snapshots": open });
    const stop = new AbortController();
    const build = api.createSnapshot({ name: "n", image: JQ }, { signal: stop.signal, onBuildLog: () => stop.abort() });
    const message = expect.stringMatching(/^the build was cancelled by its caller/);
    await expect(build).rejects.toMatchObject({ code: "aborted", message });
    await expect.poll(() => server.abandoned).toEqual(["POST /api/snapshots"]);
  });

  it("is left when the callback throws", async () => {
    const api = await connect({ "POST /api/snapshots": open });
    const onBuildLog = () => {
      throw new Error("mine");
    };
    await expect(api.createSnapshot({ name: "n", image: JQ }, { onBuildLog })).rejects.toThrow("mine");
    await expect.poll(() => server.abandoned).toEqual(["POST /api/snapshots"]);
  });

  it("has a log to follow later, from a line on", async () => {
    const api = await connect({ "GET /api/snapshots/n/log": sse(["build_log", LOG], ["result", SNAPSHOT]) });
    await api.followSnapshotLog("n", { from: 7 });
    expect(server.requests[0]?.call).toBe("GET /api/snapshots/n/log?from=7");
  });
});

describe("deleting a snapshot", () => {
  it("that is gone is fine", async () => {
    const api = await connect({ "DELETE /api/snapshots/n": { status: 404, json: { error: "snapshot not found" } } });
    await api.deleteSnapshot("n");
  });

  it("is not done where a stranger says 404", async () => {
    const api = await connect({ "DELETE /api/snapshots/n": { status: 404, chunks: ["Not Found"] } });
    await expect(api.deleteSnapshot("n")).rejects.toMatchObject({ code: "protocol" });
  });
});

describe("exec", () => {
  const RUN = "POST /api/sandboxes/s/exec/run-async";
  const POLL = "GET /api/sandboxes/s/exec/e1/result";
  const started: Reply = { status: 202, json: { execId: "e1", running: true, startedAt: "2026" } };
  const running: Reply = { json: { running: true, stdout: "", stderr: "" } };

  it("is one call where the command is quick", async () => {
    const api = await connect({ [RUN]: { json: { exitCode: 3, stdout: "o", stderr: "e" } } });
    expect(await api.exec("s", { cmd: "x" })).toEqual({ exitCode: 3, stdout: "o", stderr: "e" });
  });

  it("asks again until the command is over", async () => {
    const over: Reply = { json: { running: false, exitCode: -1, stdout: "o", stderr: "", truncated: true } };
    const api = await connect({ [RUN]: started, [POLL]: [running, running, over] });
    expect(await api.exec("s", { cmd: "x" })).toEqual({ exitCode: -1, stdout: "o", stderr: "", truncated: true });
    expect(server.requests).toHaveLength(4);
  });

  it("tells why a command never ran", async () => {
    const api = await connect({ [RUN]: started, [POLL]: { json: { running: false, error: "no such directory" } } });
    await expect(api.exec("s", { cmd: "x" })).rejects.toMatchObject({
      message: expect.stringContaining("no such directory"),
    });
  });

  it("names the command that goes on after an abort", async () => {
    const api = await connect({ [RUN]: started, [POLL]: running });
    const exec = api.exec("s", { cmd: "x" }, { signal: AbortSignal.timeout(40) });
    await expect(exec).rejects.toMatchObject({ code: "aborted", details: { execId: "e1" } });
  });
});

describe("an attached exec", () => {
  const RUN = "POST /api/sandboxes/s/exec/run";

  it("is one call, with spaces before its answer while the command runs", async () => {
    const api = await connect({ [RUN]: { chunks: [" ", " ", '{"exitCode":0,"stdout":"o","stderr":""}'] } });
    expect(await api.exec("s", { cmd: "x" }, { attached: true })).toEqual({ exitCode: 0, stdout: "o", stderr: "" });
  });

  it("fails with what the body says once the answer has begun", async () => {
    const api = await connect({ [RUN]: { json: { error: "the sandbox was stopped", code: "gone" } } });
    await expect(api.exec("s", { cmd: "x" }, { attached: true })).rejects.toMatchObject({ code: "gone" });
  });

  it("leaves the server when the signal fires", async () => {
    const api = await connect({ [RUN]: { chunks: [" "], end: "hang" } });
    const exec = api.exec("s", { cmd: "x" }, { attached: true, signal: AbortSignal.timeout(40) });
    await expect(exec).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => server.abandoned).toEqual([RUN]);
  });
});

describe("a file", () => {
  it("is read as a stream that fails where the connection breaks", async () => {
    const api = await connect({
      "GET /api/sandboxes/s/files": { headers: { "content-length": "10" }, chunks: ["abc"], end: "cut" },
    });
    const body = await api.readFile("s", "/f");
    await expect(body.toArray()).rejects.toMatchObject({ code: "unavailable" });
  });
});
