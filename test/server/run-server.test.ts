import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readServerConfig } from "../../src/server/config";
import { type RunningServer, runServer } from "../../src/server/run-server";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import { version } from "../../src/version";
import { ROOM, takenCheckpoint } from "./checkpoint-row";
import { MemoryEngine } from "./memory-engine";
import { sandboxRow } from "./sandbox-row";
import { publish, wishFor } from "./snapshot-wish";
import { bodyOf, EVENTS, image, readEvents, SILENT, until } from "./test-server";

let home: string;
let engine: MemoryEngine;
const running: RunningServer[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "opencomputer-run-"));
  engine = new MemoryEngine();
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
  await rm(home, { recursive: true, force: true });
});

async function run(): Promise<RunningServer> {
  const config = readServerConfig({ logLevel: "silent" }, { env: { OPENCOMPUTER_HOME: home }, uid: 0, homeDir: "/" });
  const openStore = (dir: string) => openSqliteStore(join(dir, "server.db"));
  const signal = AbortSignal.timeout(60_000);
  const server = await runServer(config, { engine, openStore, log: SILENT, now: Date.now, signal });
  running.push(server);
  return server;
}

function call(server: RunningServer, method: string, path: string, json?: object, accept = "application/json") {
  const headers = { "X-API-Key": server.apiKey, Accept: accept, "Content-Type": "application/json" };
  return fetch(`${server.url}/api${path}`, { method, headers, ...(json ? { body: JSON.stringify(json) } : {}) });
}

const readCard = async () => JSON.parse(await readFile(join(home, "server.json"), "utf8"));
const exists = (name: string) =>
  stat(join(home, name)).then(
    () => true,
    () => false,
  );

describe("start", () => {
  it("answers, and says how in a card for this user alone", async () => {
    const server = await run();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await readCard()).toEqual({ url: server.url, apiKey: server.apiKey, pid: process.pid, version });
    expect((await stat(join(home, "server.json"))).mode & 0o777).toBe(0o600);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    expect((await call(server, "GET", "/info")).status).toBe(200);
  });

  it("refuses a second server on the same home, naming the first", async () => {
    const server = await run();
    await expect(run()).rejects.toMatchObject({ code: "conflict", details: { pid: process.pid, url: server.url } });
    expect((await call(server, "GET", "/info")).status).toBe(200);
  });

  it("undoes what it did where the engine cannot start", async () => {
    engine.start = async () => {
      throw new Error("no runtime");
    };
    await expect(run()).rejects.toThrow("no runtime");
    engine = new MemoryEngine();
    await run();
  });

  it("revokes the key of the last server when it makes a new one", async () => {
    const first = await run();
    await first.close();
    const second = await run();
    expect(second.apiKey).not.toBe(first.apiKey);
    expect((await call({ ...second, apiKey: first.apiKey }, "GET", "/info")).status).toBe(401);
  });
});

describe("stop", () => {
  it("removes the card, frees the home, and may be said twice", async () => {
    const server = await run();
    await server.close();
    await server.close();
    expect(await exists("server.json")).toBe(false);
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
    await run();
  });

  it("ends streams with an error event, and says in the row that the build was cancelled", async () => {
    const server = await run();
    const answer = await call(server, "POST", "/snapshots", { name: "t", image: image("wait x") }, EVENTS);
    const events = readEvents(answer);
    await until("building", () => engine.buildsRun === 1);
    await server.close();
    expect((await events).at(-1)).toMatchObject({ kind: "error", data: { code: "build_cancelled" } });
    const again = await run();
    const log = await readEvents(await call(again, "GET", "/snapshots/t/log"));
    expect(log.at(-1)).toMatchObject({ kind: "error", data: { code: "build_cancelled" } });
    expect((await call(again, "POST", "/snapshots", { name: "t", image: image("print a") })).status).toBe(201);
  });

  it("lets sandboxes run on, and the next server adopts them", async () => {
    const server = await run();
    const wish = { timeout: 60, networkEnabled: false, tags: { team: "core" }, owner: "urn" };
    const { sandboxID } = await bodyOf(await call(server, "POST", "/sandboxes", wish));
    const { sandboxID: dead } = await bodyOf(await call(server, "POST", "/sandboxes", {}));
    await server.close();
    engine.sandboxes.delete(String(dead));
    const again = await run();
    expect([...(engine.started?.knownSandboxes ?? [])].sort()).toEqual([sandboxID, dead].sort());
    const record = await bodyOf(await call(again, "GET", `/sandboxes/${sandboxID}`));
    expect(record).toMatchObject({ status: "running", network: "none", tags: { team: "core" }, owner: "urn" });
    expect(record.endAt).toBeDefined();
    expect(await bodyOf(await call(again, "POST", "/sandboxes", wish))).toMatchObject({ sandboxID });
    expect(await bodyOf(await call(again, "GET", `/sandboxes/${dead}`))).toMatchObject({ status: "stopped" });
  });
});

it("lets go of what no retention keeps any more, when it starts", async () => {
  const store = await openSqliteStore(join(home, "server.db"));
  await store.ensureOrganisation({ id: "local", name: "local" });
  const retention = { keepLast: 9, ttlSeconds: 60 };
  for (const hash of ["h1", "h2"]) await publish(store.forOrg("local"), wishFor("t", hash, { retention }), 1);
  await store.close();
  const server = await run();
  expect(await (await call(server, "GET", "/snapshots/t/versions")).json()).toMatchObject([{ version: 2 }]);
});

describe("after a crash", () => {
  it("says that what was going on was cancelled, and blocks nothing", async () => {
    // The rows that a server leaves that is killed in the middle of things.
    const store = await openSqliteStore(join(home, "server.db"));
    await store.ensureOrganisation({ id: "local", name: "local" });
    const org = store.forOrg("local");
    const what = { contentHash: "h", error: null };
    const build = { ...what, id: "b", name: "t", status: "running", logPath: join(home, "b"), startedAt: 1 } as const;
    await org.insertBuild({ ...build, finishedAt: null });
    await org.snapshots.reserve({ name: "t", isNew: true, contentHash: "h", manifest: image("print a") }, 1);
    await org.insertSandbox(sandboxRow("sb"));
    await org.checkpoints.reserve(takenCheckpoint("k"), ROOM);
    await store.close();

    const server = await run();
    expect(engine.started?.knownSandboxes).toEqual(["sb"]);
    expect(await bodyOf(await call(server, "GET", "/sandboxes/sb"))).toMatchObject({ status: "stopped" });
    expect(await bodyOf(await call(server, "GET", "/checkpoints/k"))).toMatchObject({
      ...{ status: "failed", errorMsg: expect.stringContaining("stopped before this was done") },
    });
    expect(await bodyOf(await call(server, "GET", "/snapshots/t"))).toMatchObject({
      ...{ status: "failed", error: expect.stringContaining("stopped before this was done") },
    });
    expect((await call(server, "POST", "/snapshots", { name: "t", image: image("print a") })).status).toBe(201);
  });

  it("finishes the restore that was promised, and lets what sleeps sleep", async () => {
    const server = await run();
    const create = async () => String((await bodyOf(await call(server, "POST", "/sandboxes", {}))).sandboxID);
    const [id, asleep, lost] = [await create(), await create(), await create()];
    for (const one of [asleep, lost]) await call(server, "POST", `/sandboxes/${one}/hibernate`);
    const { id: cid } = await bodyOf(await call(server, "POST", `/sandboxes/${id}/checkpoints`, { name: "a" }));
    await until("ready", async () => {
      return (await bodyOf(await call(server, "GET", `/checkpoints/${cid}`))).status === "ready";
    });
    await server.close();
    // As if it had been killed right after its answer.
    const store = await openSqliteStore(join(home, "server.db"));
    await store.forOrg("local").updateSandbox(id, { restoringTo: String(cid) });
    await store.close();
    engine.sandboxes.delete(lost);
    engine.transitions.splice(0);

    const again = await run();
    const get = async (one: string) => await bodyOf(await call(again, "GET", `/sandboxes/${one}`));
    expect(await get(id)).toMatchObject({ status: "running", fromCheckpointId: cid });
    expect(engine.transitions).toEqual([`restore ${id}`]);
    expect([(await get(asleep)).status, (await get(lost)).status]).toEqual(["hibernated", "stopped"]);
    expect(engine.started?.knownSandboxes).toContain(asleep);
  });

  it("makes warm sandboxes anew, and gives nobody an old one", async () => {
    const server = await run();
    await call(server, "POST", "/snapshots", { name: "t", image: image("print a"), warmPool: 1 });
    await until("warm", () => engine.sandboxes.size === 1);
    const [old = ""] = engine.sandboxes.keys();
    const left = engine.sandboxes.get(old);
    await server.close();
    // As if it had been killed.
    if (left) engine.sandboxes.set(old, left);
    const again = await run();
    await until("anew", () => engine.sandboxes.size === 1 && !engine.sandboxes.has(old));
    const [warm] = engine.sandboxes.keys();
    const made = await bodyOf(await call(again, "POST", "/sandboxes", { snapshot: "t" }));
    expect(made.sandboxID).toBe(warm);
  });

  it("hibernates what was idle for its timeout while no server ran", async () => {
    const server = await run();
    const { sandboxID } = await bodyOf(await call(server, "POST", "/sandboxes", { timeout: 60 }));
    await server.close();
    const store = await openSqliteStore(join(home, "server.db"));
    await store.forOrg("local").updateSandbox(String(sandboxID), { deadline: 1 });
    await store.close();
    const again = await run();
    await until("asleep", async () => {
      return (await bodyOf(await call(again, "GET", `/sandboxes/${sandboxID}`))).status === "hibernated";
    });
  });
});

describe("over HTTP", () => {
  it("cancels the build of a client that hangs up, also while it waits for a plain answer", async () => {
    const server = await run();
    for (const accept of [EVENTS, "application/json"]) {
      const before = engine.buildsRun;
      const hangUp = new AbortController();
      const headers = { "X-API-Key": server.apiKey, Accept: accept };
      const body = JSON.stringify({ name: "t", image: image("wait x", accept) });
      const answer = fetch(`${server.url}/api/snapshots`, { method: "POST", headers, body, signal: hangUp.signal });
      answer.catch(() => {});
      await until("building", () => engine.buildsRun === before + 1);
      hangUp.abort();
      // Not by its log at first: who reads the log of a build that runs waits for it, too, and so keeps it going.
      await until("cancelled", () => engine.building === 0);
      await until("recorded", async () => {
        const events = await readEvents(await call(server, "GET", "/snapshots/t/log"));
        const last = events.at(-1);
        return last?.kind === "error" && last.data.code === "build_cancelled";
      });
      expect((await call(server, "GET", "/snapshots/t")).status).toBe(404);
    }
  });

  it("answers bad input with 400, never with 5xx or silence", async () => {
    const server = await run();
    const headers = { "X-API-Key": server.apiKey };
    for (const body of ["", "{", "null", "[]", '"x"', "{}", "\u0000"]) {
      for (const path of ["/snapshots", "/sandboxes/x/timeout", "/blobs/missing", "/sandboxes/x/exec/run"]) {
        const answer = await fetch(`${server.url}/api${path}`, { method: "POST", headers, body });
        expect([path, body, answer.status]).toEqual([path, body, 400]);
        expect((await bodyOf(answer)).code).toBe("invalid_input");
      }
    }
  });

  it("refuses a body that is too large, also one that does not say its size", async () => {
    const server = await run();
    const headers = { "X-API-Key": server.apiKey };
    const url = `${server.url}/api/sandboxes/x/exec/run`;
    const mib = new Uint8Array(1024 * 1024);
    const chunked = new ReadableStream({ pull: (stream) => stream.enqueue(mib) });
    const inits: (RequestInit & { duplex?: "half" })[] = [
      { body: "x".repeat(17 * 2 ** 20) },
      { body: chunked, duplex: "half" },
    ];
    for (const init of inits) {
      const answer = await fetch(url, { method: "POST", headers, ...init });
      expect([answer.status, (await bodyOf(answer)).code]).toEqual([413, "invalid_input"]);
    }
  });

  it("waits for a build that nobody watches to be cancelled before the engine stops", async () => {
    const server = await run();
    await call(server, "POST", "/snapshots?async=1", { name: "t", image: image("wait x") });
    await until("building", () => engine.buildsRun === 1);
    await server.close();
    const again = await run();
    const error = expect.stringContaining("the server is stopping");
    expect(await bodyOf(await call(again, "GET", "/snapshots/t"))).toMatchObject({ status: "failed", error });
  });

  it("streams a file of many MiB both ways", async () => {
    const server = await run();
    const { sandboxID } = await bodyOf(await call(server, "POST", "/sandboxes", {}));
    const url = `${server.url}/api/sandboxes/${sandboxID}/files?path=/big`;
    const headers = { "X-API-Key": server.apiKey };
    const bytes = Buffer.alloc(8 * 1024 * 1024, "abcdefgh");
    expect((await fetch(url, { method: "PUT", headers, body: bytes })).status).toBe(204);
    expect(Buffer.from(await (await fetch(url, { headers })).arrayBuffer()).equals(bytes)).toBe(true);
  });
});
