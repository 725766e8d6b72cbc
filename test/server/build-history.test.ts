import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentHash } from "../../src/image/hash";
import { createTestServer, EVENTS, image, listOf, readEvents, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

/** Builds an image under a name, and does not wait for it. */
function start(name: string, ...commands: string[]): Promise<Response> {
  return server.request("POST", "/api/snapshots", { json: { name, image: image(...commands) }, accept: EVENTS });
}
const build = async (name: string, ...commands: string[]) => readEvents(await start(name, ...commands));
const list = async (key?: string) => listOf(await server.request("GET", "/api/builds", key ? { key } : {}));
const newestId = async () => String((await list())[0]?.id);
const openLog = (id: string, query = "", key?: string) =>
  server.request("GET", `/api/builds/${id}/log${query}`, key ? { key } : {});
const readLog = async (id: string, query = "") => readEvents(await openLog(id, query));

describe("the list of builds", () => {
  it("has those that run and those that are over, newest first", async () => {
    await build("one", "print a");
    await build("two", "print b", "fail");
    const asker = start("three", "wait x");
    await until("running", () => server.engine.building === 1);
    expect(await list()).toMatchObject([
      { name: "three", status: "running", contentHash: contentHash(image("wait x")) },
      { name: "two", status: "failed", error: expect.stringContaining("fail"), finishedAt: expect.any(String) },
      { name: "one", status: "succeeded", startedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    ]);
    server.engine.release("x");
    await readEvents(await asker);
  });

  it("is the organisation's own, and so are the logs", async () => {
    await build("one", "print a");
    expect(await list(server.keys.b)).toEqual([]);
    expect((await openLog(await newestId(), "", server.keys.b)).status).toBe(404);
  });
});

describe("the log of a build", () => {
  it("is the one that its asker read, then how it ended", async () => {
    const events = await build("one", "print a", "print b");
    const lines = events.filter(({ kind }) => kind === "build_log");
    const read = await readLog(await newestId());
    expect(read.slice(0, -1)).toEqual(lines);
    expect(read.at(-1)).toMatchObject({ kind: "result", data: { status: "succeeded", name: "one" } });
  });

  it.each([0, 1, 3, 99])("goes on after %i lines", async (from) => {
    await build("one", "print a", "print b");
    const whole = await readLog(await newestId());
    const rest = await readLog(await newestId(), `?from=${from}`);
    expect(rest).toEqual([...whole.slice(0, -1).slice(from), whole.at(-1)]);
  });

  it("is live while it runs, and every reader is told the end", async () => {
    const asker = start("one", "print a", "wait x", "print b");
    await until("waiting", () => server.engine.stepsRun.length === 2);
    const id = await newestId();
    const readers = [readLog(id), readLog(id, "?from=2")];
    server.engine.release("x");
    const [whole = [], rest] = await Promise.all(readers);
    expect(whole.at(-1)).toMatchObject({ kind: "result", data: { status: "succeeded" } });
    expect(rest).toEqual(whole.slice(2));
    await readEvents(await asker);
  });

  it("ends with the lines that are there where nobody wants to wait", async () => {
    const asker = start("one", "print a", "wait x", "print b");
    await until("waiting", () => server.engine.stepsRun.length === 2);
    const events = await readLog(await newestId(), "?follow=0");
    expect(events.at(-1)).toMatchObject({ kind: "result", data: { status: "running" } });
    expect(events.map((event) => event.kind === "build_log" && event.data.message)).toContain("a");
    server.engine.release("x");
    await readEvents(await asker);
  });

  it("ends with the build's own error", async () => {
    const events = await build("one", "print a", "fail");
    expect((await readLog(await newestId())).at(-1)).toEqual(events.at(-1));
  });

  it("holds no build: one that nobody else waits for is cancelled, and the reader is told", async () => {
    const asker = await start("one", "wait x");
    await until("running", () => server.engine.building === 1);
    const reading = readLog(await newestId());
    await asker.body?.cancel();
    expect((await reading).at(-1)).toMatchObject({ kind: "error", data: { code: "build_cancelled" } });
  });

  it.each([
    ["/api/builds/nope/log", 404],
    ["/api/builds/nope/log?from=x", 400],
  ])("GET %s is %i", async (path, status) => {
    expect((await server.request("GET", path)).status).toBe(status);
  });
});
