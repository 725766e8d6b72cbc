import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentHash } from "../../src/image/hash";
import { bodyOf, createTestServer, EVENTS, image, listOf, readEvents, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const create = (name: string, img: unknown, more: object = {}) =>
  server.request("POST", "/api/snapshots", { json: { name, image: img }, ...more });

describe("create", () => {
  it("streams the build and ends with the record", async () => {
    const answer = await create("tools", image("print hello"), { accept: EVENTS });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const events = await readEvents(answer);
    expect(events.map((event) => event.kind)).toEqual(["build_log", "build_log", "build_log", "build_log", "result"]);
    expect(events.at(2)?.data).toEqual({ step: 1, type: "run", message: "hello", stream: "stdout" });
    expect(events.at(-1)?.data).toMatchObject({
      name: "tools",
      status: "ready",
      contentHash: contentHash(image("print hello")),
      manifest: image("print hello"),
    });
  });

  it("keeps to the exact bytes that the official clients parse", async () => {
    const text = await (await create("t", image("print a"), { accept: `application/json, ${EVENTS};q=0.9` })).text();
    for (const block of text.split("\n\n").slice(0, -1)) expect(block).toMatch(/^event: \w+\ndata: \{.*\}$/);
    expect(text.endsWith("\n\n")).toBe(true);
    expect(text).not.toContain("\r");
  });

  it("answers 201 with the record where no stream is asked for", async () => {
    const answer = await create("tools", image("print hello"));
    expect(answer.status).toBe(201);
    expect(await bodyOf(answer)).toMatchObject({ name: "tools", status: "ready" });
  });

  it("answers 202 and goes on alone with ?async=1", async () => {
    const answer = await server.request("POST", "/api/snapshots?async=1", {
      json: { name: "t", image: image("wait x") },
    });
    expect(answer.status).toBe(202);
    const record = await bodyOf(answer);
    expect(record).toMatchObject({ name: "t", status: "building" });
    expect(record).not.toHaveProperty("checkpointId");
    server.engine.release("x");
    await until("ready", async () => (await get("t")).status === "ready");
    expect((await get("t")).id).toBe(record.id);
  });

  it.each([EVENTS, "application/json"])("cancels the build for a caller of %s who had left before", async (accept) => {
    const gone = await create("t", image("wait x"), { accept, signal: AbortSignal.abort() });
    expect(await gone.text()).toContain("error");
    await server.services.builds.stop();
    // No row at all where the build was cancelled before it began; it was not the stop that ended it.
    const build = await server.org.latestBuildNamed("t");
    expect(build?.error?.error ?? "nobody waits").toContain("nobody waits");
  });

  it("uses what is built already for another name", async () => {
    const first = await bodyOf(await create("one", image("print a")));
    const events = await readEvents(await create("two", image("print a"), { accept: EVENTS }));
    expect(events.map((event) => event.data)).toMatchObject([
      { type: "cache_hit" },
      { checkpointId: first.checkpointId },
    ]);
    expect(server.engine.buildsRun).toBe(1);
  });

  const bad: [string, unknown, string][] = [
    ["a name with a slash", { name: "a/b", image: image() }, "name"],
    ["no name", { image: image() }, "name"],
    ["no image", { name: "a" }, "image"],
    ["an unknown step", { name: "a", image: { base: "base", steps: [{ type: "nope", args: {} }] } }, "steps[0]"],
    ["an unknown member", { name: "a", image: image(), nmae: "b" }, "nmae"],
  ];
  it.each(bad)("refuses %s before a stream begins", async (_, json, where) => {
    const answer = await server.request("POST", "/api/snapshots", { json, accept: EVENTS });
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toContain("application/json");
    const body = await bodyOf(answer);
    expect(body.code).toBe("invalid_input");
    expect(body.error).toContain(where);
  });

  it("names the bytes that it lacks before a stream begins", async () => {
    const digest = `sha256:${"1".repeat(64)}`;
    const manifest = { base: "base", steps: [{ type: "add_file", args: { path: "/a", digest } }] };
    const answer = await create("a", manifest, { accept: EVENTS });
    expect(answer.status).toBe(422);
    expect(await bodyOf(answer)).toMatchObject({ code: "blob_missing", details: { digests: [digest] } });
  });

  it("takes files inline, as the official clients send them", async () => {
    const content = Buffer.from("hi").toString("base64");
    const manifest = { base: "", steps: [{ type: "add_file", args: { path: "/a", content, encoding: "base64" } }] };
    const record = await bodyOf(await create("a", manifest));
    expect(record.status).toBe("ready");
    expect(JSON.stringify(record.manifest)).not.toContain(content);
  });
});

describe("names", () => {
  it("refuses one that is taken before building", async () => {
    await create("t", image("print a"));
    const answer = await create("t", image("print b"), { accept: EVENTS });
    expect(answer.status).toBe(409);
    expect((await bodyOf(answer)).error).toContain("snapshot name already exists");
    expect(server.engine.buildsRun).toBe(1);
  });

  it("of two images at once under one name, gives it to the first and refuses the second at once", async () => {
    const first = create("t", image("wait x"));
    await until("building", () => server.engine.buildsRun === 1);
    expect((await create("t", image("print b"))).status).toBe(409);
    server.engine.release("x");
    expect((await first).status).toBe(201);
    expect(server.engine.buildsRun).toBe(1);
  });

  it("lets the same image under the same name share the one that is being made", async () => {
    const both = [create("t", image("wait x")), create("t", image("wait x"))];
    await until("building", () => server.engine.buildsRun === 1);
    server.engine.release("x");
    const answers = await Promise.all(both);
    expect(answers.map((answer) => answer.status)).toEqual([201, 201]);
    const [one, two] = await Promise.all(answers.map(bodyOf));
    expect(one?.id).toBe(two?.id);
    expect(await list()).toHaveLength(1);
  });

  it("are free again after a failed build, which leaves no row", async () => {
    const events = await readEvents(await create("t", image("fail"), { accept: EVENTS }));
    expect(events.at(-1)).toMatchObject({ kind: "error", data: { code: "build_failed", details: { exitCode: 1 } } });
    expect((await create("u", image("fail"))).status).toBe(422);
    expect(await list()).toEqual([]);
    expect((await create("t", image("print ok"))).status).toBe(201);
  });

  it("show a detached build's failure, and are free for another try", async () => {
    await server.request("POST", "/api/snapshots?async=1", { json: { name: "t", image: image("fail") } });
    await until("failed", async () => (await get("t")).status === "failed");
    expect((await get("t")).error).toContain("step 1 failed");
    expect((await create("t", image("print ok"))).status).toBe(201);
  });

  it("are free again when everybody left", async () => {
    const leaver = new AbortController();
    const answer = await create("t", image("wait x"), { accept: EVENTS, signal: leaver.signal });
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await until("cancelled", async () => (await build("t"))?.status === "cancelled");
    expect(await list()).toEqual([]);
    expect((await create("t", image("print b"))).status).toBe(201);
  });
});

describe("log", () => {
  const log = (name: string, query = "") => server.request("GET", `/api/snapshots/${name}/log${query}`);

  it("replays a past build from any event", async () => {
    const live = await readEvents(await create("t", image("print a", "print b"), { accept: EVENTS }));
    expect(await readEvents(await log("t"))).toEqual(live);
    expect(await readEvents(await log("t", "?from=3"))).toEqual(live.slice(3));
  });

  it("follows a build that runs, and does not end it by leaving", async () => {
    const creating = create("t", image("print a", "wait x"));
    await until("building", () => server.engine.stepsRun.length === 2);
    const reader = (await log("t")).body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("build_log");
    await reader?.cancel();
    server.engine.release("x");
    expect((await creating).status).toBe(201);
  });

  it("tells why a build failed, also where it left no snapshot", async () => {
    await create("t", image("print a", "fail"));
    const events = await readEvents(await log("t"));
    expect(events.some((event) => event.kind === "build_log" && event.data.message === "a")).toBe(true);
    expect(events.at(-1)).toMatchObject({ kind: "error", data: { code: "build_failed" } });
  });

  it("is not found for a name that nobody used", async () => {
    expect((await log("nope")).status).toBe(404);
    expect((await log("nope", "?from=x")).status).toBe(400);
  });
});

describe("list, get, delete", () => {
  it("lists newest first, gets and deletes", async () => {
    for (const name of ["a", "b", "c"]) await create(name, image(`print ${name}`));
    expect((await list()).map((row) => row.name)).toEqual(["c", "b", "a"]);
    expect((await server.request("DELETE", "/api/snapshots/b")).status).toBe(204);
    expect((await server.request("DELETE", "/api/snapshots/b")).status).toBe(404);
    expect((await server.request("GET", "/api/snapshots/b")).status).toBe(404);
    expect(await list()).toHaveLength(2);
  });

  it("cancels a detached build with its name", async () => {
    await server.request("POST", "/api/snapshots?async=1", { json: { name: "t", image: image("wait x") } });
    await until("building", () => server.engine.buildsRun === 1);
    expect((await server.request("DELETE", "/api/snapshots/t")).status).toBe(204);
    await until("cancelled", async () => (await build("t"))?.status === "cancelled");
    expect(await list()).toEqual([]);
  });
});

const list = async () => listOf(await server.request("GET", "/api/snapshots"));
const get = async (name: string) => bodyOf(await server.request("GET", `/api/snapshots/${name}`));
const build = (name: string) => server.org.latestBuildNamed(name);
