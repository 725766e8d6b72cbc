import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentHash } from "../../src/image/hash";
import { bodyOf, createTestServer, EVENTS, image, listOf, readEvents, type TestServer, until } from "./test-server";

let server: TestServer;
let now: number;
beforeEach(async () => {
  now = 1_000_000;
  server = await createTestServer({ now: () => now });
});
afterEach(() => server.close());

const call = (method: string, path: string, json?: object) =>
  server.request(method, `/api/snapshots${path}`, json ? { json } : {});
/** Asks for a version of the name `t`, built of these commands. */
const version = (commands: string[], more: object = {}, query = "") =>
  call("POST", query, { name: "t", image: image(...commands), ifExists: "version", ...more });
const get = async (ref: string) => bodyOf(await call("GET", `/${encodeURIComponent(ref)}`));
const shape = async () =>
  (await listOf(await call("GET", "/t/versions")))
    .map(({ version, status, current }) => `${version}${status === "ready" ? "" : `(${status})`}${current ? "*" : ""}`)
    .reverse()
    .join(" ");
const building = (builds: number) => until("building", () => server.engine.buildsRun === builds);

describe("a new version", () => {
  it("is built first, and only then what the name means", async () => {
    const first = await bodyOf(await version(["print 1"]));
    const making = version(["wait x"]);
    await building(2);
    expect(await get("t")).toEqual(first);
    expect(await shape()).toBe("1*");
    server.engine.release("x");
    const second = await bodyOf(await making);
    expect(second).toMatchObject({
      id: first.id,
      version: 2,
      current: true,
      contentHash: contentHash(image("wait x")),
    });
    expect(await get("t")).toEqual(second);
    expect(await listOf(await call("GET", ""))).toEqual([second]);
    expect(await get("t@1")).toMatchObject({ contentHash: first.contentHash, current: false });
  });

  it.each(["", "?async=1"])("that fails leaves all as it was (%s)", async (query) => {
    const first = await bodyOf(await version(["print 1"], { labels: { a: "1" } }));
    await version(["fail"], { labels: { a: "2" } }, query);
    await until("over", async () => (await server.org.latestBuildNamed("t"))?.status === "failed");
    await until("told", async () => query === "" || (await get("t@2")).status === "failed");
    expect(await get("t")).toEqual(first);
    expect(await shape()).toBe(query === "" ? "1*" : "1* 2(failed)");
    expect((await version(["print 3"])).status).toBe(201);
    expect(await get("t")).toMatchObject({ labels: { a: "1" } });
  });

  it("that is cancelled leaves all as it was", async () => {
    await version(["print 1"]);
    const answer = await server.request("POST", "/api/snapshots", {
      ...{ accept: EVENTS, json: { name: "t", image: image("wait x"), ifExists: "version" } },
    });
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await until("cancelled", async () => (await server.org.latestBuildNamed("t"))?.status === "cancelled");
    expect(await shape()).toBe("1*");
  });

  it("that is detached is shown while it is made, and has a log of its own", async () => {
    await version(["print 1"]);
    const answer = await version(["print 2", "wait x"], {}, "?async=1");
    expect(answer.status).toBe(202);
    expect(await bodyOf(answer)).toMatchObject({ version: 2, status: "building", current: false });
    await building(2);
    const log = readEvents(await call("GET", "/t@2/log"));
    server.engine.release("x");
    expect((await log).at(-1)).toMatchObject({ kind: "result", data: { version: 2, status: "ready", current: true } });
    expect(JSON.stringify(await readEvents(await call("GET", "/t@1/log")))).toContain("print 1");
    expect(await shape()).toBe("1 2*");
  });

  it("of the same content asked for many times at once is one, built once", async () => {
    await version(["print 1"]);
    const all = Array.from({ length: 5 }, (_, index) => version(["wait x"], {}, index === 4 ? "?async=1" : ""));
    await building(2);
    server.engine.release("x");
    const records = await Promise.all((await Promise.all(all)).map(bodyOf));
    expect(new Set(records.map((record) => record.version))).toEqual(new Set([2]));
    expect(server.engine.buildsRun).toBe(2);
    await until("promoted", async () => (await shape()) === "1 2*");
  });

  it("of another content at the same time is another: the last that is done is current", async () => {
    const [slow, quick] = [version(["wait x"]), version(["print 2"])];
    expect(await bodyOf(await quick)).toMatchObject({ version: 1, current: true });
    server.engine.release("x");
    expect(await bodyOf(await slow)).toMatchObject({ version: 2, current: true });
    expect(await shape()).toBe("1 2*");
  });

  it("of an older content is that version again, without a build", async () => {
    for (const command of ["print 1", "print 2", "print 1"]) await version([command]);
    expect(await shape()).toBe("1* 2");
    expect(server.engine.buildsRun).toBe(2);
  });

  it("of a new name is one owner's: who else wants that name is told at once", async () => {
    const [mine, yours] = ["me", "you"].map((owner) => ({ name: "t", image: image("wait x"), owner }));
    const making = call("POST", "", mine);
    await building(1);
    expect((await call("POST", "", yours)).status).toBe(409);
    server.engine.release("x");
    expect(await bodyOf(await making)).toMatchObject({ owner: "me" });
  });

  it("does not survive its name: who waits is told", async () => {
    await version(["print 1"]);
    const making = version(["wait x"]);
    await building(2);
    await call("DELETE", "/t");
    expect(await bodyOf(await making)).toMatchObject({
      code: "build_cancelled",
      error: expect.stringContaining("deleted"),
    });
    expect((await call("GET", "/t")).status).toBe(404);
  });
});

describe("a build that takes longer than buildTimeoutSeconds", () => {
  it.each([EVENTS, "application/json"])("is cancelled, and says why (%s)", async (accept) => {
    const json = { name: "t", image: image("wait x"), buildTimeoutSeconds: 1 };
    const answer = await server.request("POST", "/api/snapshots", { json, accept });
    expect(await answer.text()).toMatch(/not done within 1 s.*"code":"timeout"/s);
    await server.services.builds.stop();
    expect(await server.org.latestBuildNamed("t")).toMatchObject({ status: "failed", error: { code: "timeout" } });
    expect((await call("GET", "/t")).status).toBe(404);
  });

  it("goes on for others who share it", async () => {
    const patient = version(["wait x"]);
    await building(1);
    expect((await version(["wait x"], { buildTimeoutSeconds: 1 })).status).toBe(504);
    server.engine.release("x");
    expect((await patient).status).toBe(201);
    expect(server.engine.buildsRun).toBe(1);
  });

  it("has failed where nobody waits for it", async () => {
    await version(["wait x"], { buildTimeoutSeconds: 1 }, "?async=1");
    await until("failed", async () => (await get("t")).status === "failed");
    expect((await get("t")).error).toContain("not done within 1 s");
  });
});

describe("references", () => {
  beforeEach(async () => {
    for (const command of ["print 1", "print 2"]) await version([command]);
    await call("PUT", "/t@1/tags/stable");
  });
  const hash = contentHash(image("print 1"));

  it.each([
    ["t", 2],
    ["t@1", 1],
    ["t@2", 2],
    [`t@${hash.slice(0, 8)}`, 1],
    [`t@${hash}`, 1],
    ["t:stable", 1],
  ])("%s is version %i, also for a sandbox", async (ref, expected) => {
    expect((await get(ref)).version).toBe(expected);
    const { sandboxID } = await bodyOf(await server.request("POST", "/api/sandboxes", { json: { snapshot: ref } }));
    expect(await bodyOf(await call("GET", "/t/usage"))).toEqual({ sandboxes: [{ sandboxID, version: expected }] });
    expect((await get(`t@${expected}`)).lastUsedAt).toBeDefined();
  });

  it.each(["t@3", `t@${"0".repeat(8)}`, "t:other", "u@1", "t@", "t@1:stable", "@1"])("%s is not found", async (ref) => {
    expect((await call("GET", `/${encodeURIComponent(ref)}`)).status).toBe(404);
  });
});

describe("a rollback", () => {
  it("is at once and for new sandboxes only", async () => {
    for (const command of ["print 1", "print 2"]) await version([command]);
    const before = await bodyOf(await server.request("POST", "/api/sandboxes", { json: { snapshot: "t" } }));
    const answer = await call("POST", "/t@1/promote");
    expect([answer.status, await bodyOf(answer)]).toMatchObject([200, { version: 1, current: true }]);
    expect(await shape()).toBe("1* 2");
    await server.request("POST", "/api/sandboxes", { json: { snapshot: "t" } });
    const { sandboxes } = await bodyOf(await call("GET", "/t/usage"));
    expect((sandboxes as { version: number }[]).map((user) => user.version)).toEqual([1, 2]);
    expect((await server.request("GET", `/api/sandboxes/${before.sandboxID}`)).status).toBe(200);
  });

  it("is refused for what is not ready", async () => {
    await version(["print 1"]);
    await version(["wait x"], {}, "?async=1");
    expect((await call("POST", "/t@2/promote")).status).toBe(409);
    expect((await call("POST", "/t@9/promote")).status).toBe(404);
    expect(await shape()).toBe("1* 2(building)");
  });
});

describe("deleting", () => {
  it.each([
    ["t@1", 204],
    ["t@2", 409],
    ["t@9", 404],
    ["t:stable", 400],
  ])("%s answers %i", async (ref, status) => {
    for (const command of ["print 1", "print 2"]) await version([command]);
    await call("PUT", "/t@1/tags/stable");
    expect((await call("DELETE", `/${ref}`)).status).toBe(status);
    expect(await shape()).toBe(status === 204 ? "2*" : "1 2*");
  });

  it("a version that is being made cancels its build alone", async () => {
    await version(["print 1"]);
    await version(["wait x"], {}, "?async=1");
    await version(["wait y"], {}, "?async=1");
    await building(3);
    expect((await call("DELETE", "/t@2")).status).toBe(204);
    server.engine.release("y");
    await until("made", async () => (await shape()) === "1 3*");
  });
});

describe("superseded versions", () => {
  it("go with a collection when their time is over, and their layers with them", async () => {
    await version(["print 1"], { retention: { keepLast: 5, ttlSeconds: 60 } });
    await version(["print 2"]);
    const layers = server.engine.layers.size;
    await server.request("POST", "/api/gc");
    expect([await shape(), server.engine.layers.size]).toEqual(["1 2*", layers]);
    now += 61_000;
    await server.request("POST", "/api/gc");
    expect([await shape(), server.engine.layers.size]).toEqual(["2*", layers - 1]);
  });

  it("do not take a running sandbox with them", async () => {
    await version(["print 1"], { retention: { keepLast: 0 } });
    const { sandboxID } = await bodyOf(await server.request("POST", "/api/sandboxes", { json: { snapshot: "t@1" } }));
    await version(["print 2"]);
    await server.request("POST", "/api/gc");
    expect(await shape()).toBe("2*");
    const json = { cmd: "echo here" };
    const ran = await server.request("POST", `/api/sandboxes/${sandboxID}/exec/run`, { json });
    expect(await bodyOf(ran)).toMatchObject({ stdout: "here\n" });
  });
});

it("what is built is not collected before its version is there", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { snapshots } = server.org;
  const publish: typeof snapshots.publish = async (...args) => held.then(() => snapshots.publish(...args));
  const slow = Object.create(server.org, {
    snapshots: { value: Object.create(snapshots, { publish: { value: publish } }) },
  });
  const order = { name: "t", isNew: true, manifest: image("print 1"), stepTimeoutMs: 1000 };
  const pending = await server.services.snapshots.begin(slow, order);
  await until("built", async () => (await server.org.latestBuildNamed("t"))?.status === "succeeded");
  const collecting = server.services.collection.collect(false, new AbortController().signal);
  await new Promise((resolve) => setTimeout(resolve, 50));
  release();
  expect(await pending.result).toMatchObject({ status: "ready", current: true });
  expect(await collecting).toMatchObject({ layers: 0 });
});

describe("labels and retention", () => {
  it("are changed in place, and lists can ask for labels", async () => {
    const made = await bodyOf(await version(["print 1"], { labels: { stage: "dev" }, owner: "me" }));
    expect(made).toMatchObject({ labels: { stage: "dev" }, owner: "me", tags: [] });
    expect(made).not.toHaveProperty("retention");
    const change = { labels: { stage: "prod", "team/x": "a=b" }, retention: { keepLast: 3 } };
    expect(await bodyOf(await call("PATCH", "/t", change))).toEqual({ ...made, ...change });
    const names = async (query: string) => (await listOf(await call("GET", query))).map(({ name }) => name);
    expect(await names("?label=stage%3Dprod&label=team%2Fx%3Da%3Db")).toEqual(["t"]);
    expect(await names("?label=stage=dev")).toEqual([]);
    expect((await call("GET", "?label=%20=1")).status).toBe(400);
    expect((await call("GET", "?label=stage")).status).toBe(400);
  });

  it.each<[string, object, string]>([
    ["a label", { labels: { "oc:x": "1" } }, "labels"],
    ["a number of versions", { retention: { keepLast: -1 } }, "retention.keepLast"],
    ["a member", { retain: 1 }, "retain"],
  ])("refuse %s that is none", async (_what, json, where) => {
    const made = await version(["print 1"], json);
    expect([made.status, (await bodyOf(made)).error]).toEqual([400, expect.stringContaining(where)]);
    expect((await call("PATCH", "/t", json)).status).toBe(400);
  });
});

describe("tags", () => {
  it("are put, moved and taken away", async () => {
    for (const command of ["print 1", "print 2"]) await version([command]);
    expect(await bodyOf(await call("PUT", "/t@1/tags/stable"))).toMatchObject({ version: 1, tags: ["stable"] });
    expect(await bodyOf(await call("PUT", "/t/tags/stable"))).toMatchObject({ version: 2, tags: ["stable"] });
    expect((await get("t@1")).tags).toEqual([]);
    expect((await call("DELETE", "/t/tags/stable")).status).toBe(204);
    expect((await call("DELETE", "/t/tags/stable")).status).toBe(404);
    expect((await call("PUT", "/t/tags/a%20b")).status).toBe(400);
    expect((await call("PUT", "/t@9/tags/stable")).status).toBe(404);
  });
});
