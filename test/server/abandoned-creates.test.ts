import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readServerConfig } from "../../src/server/config";
import { type RunningServer, runServer } from "../../src/server/run-server";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { Store } from "../../src/server/store/store";
import { MemoryEngine } from "./memory-engine";
import { bodyOf, EVENTS, image, listOf, SILENT, until } from "./test-server";

/** Over real HTTP: what is left of a create whose caller hangs up before the answer was written. */
let home: string;
let engine: MemoryEngine;
let server: RunningServer;
let store: Store;
/** Creates go on only when this is over: the moment between the note that a sandbox runs and the answer. */
let beforeNoting: Promise<void> | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "opencomputer-abandoned-"));
  engine = new MemoryEngine();
  beforeNoting = undefined;
  server = await run();
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

async function run(): Promise<RunningServer> {
  const config = readServerConfig({ logLevel: "silent" }, { env: { OPENCOMPUTER_HOME: home }, uid: 0, homeDir: "/" });
  const signal = AbortSignal.timeout(60_000);
  const openStore = async (dir: string) => {
    store = slowToNote(await openSqliteStore(join(dir, "server.db")));
    return store;
  };
  return await runServer(config, { engine, openStore, log: SILENT, now: Date.now, signal });
}

function slowToNote(real: Store): Store {
  const forOrg: Store["forOrg"] = (orgId) => {
    const org = real.forOrg(orgId);
    const insertSandbox: typeof org.insertSandbox = async (row, version) => {
      await org.insertSandbox(row, version);
      await beforeNoting;
    };
    return Object.assign(Object.create(org), { insertSandbox });
  };
  return Object.assign(Object.create(real), { forOrg });
}

function post(json: object, accept: string, signal?: AbortSignal): Promise<Response> {
  const headers = { "X-API-Key": server.apiKey, Accept: accept, "Content-Type": "application/json" };
  const body = JSON.stringify(json);
  return fetch(`${server.url}/api/sandboxes`, { method: "POST", headers, body, ...(signal ? { signal } : {}) });
}

const list = async () =>
  await listOf(await fetch(`${server.url}/api/sandboxes`, { headers: { "X-API-Key": server.apiKey } }));
const rows = async () => await store.listSandboxes(["running", "hibernated", "stopped"]);

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** Sends a create and hangs up when `isSo`. */
async function leaveWhen(json: object, accept: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const leave = new AbortController();
  const left = post(json, accept, leave.signal).then((answer) => answer.text());
  left.catch(() => undefined);
  await until("the moment to leave", isSo);
  leave.abort();
  await expect(left).rejects.toThrow();
}

describe.each(["application/json", EVENTS])("a create that wants %s leaves no sandbox", (accept) => {
  const json = { image: image("print a"), owner: "urn" };

  it("where its caller leaves while the sandbox starts", async () => {
    engine.holdCreates = "gate";
    await leaveWhen(json, accept, () => engine.sandboxes.size === 1);
    await until("gone", async () => engine.sandboxes.size === 0 && (await rows()).length === 0);
  });

  it("where its caller leaves when it runs, before the answer", async () => {
    const { open, opened } = gate();
    beforeNoting = opened;
    await leaveWhen(json, accept, async () => (await list()).length === 1);
    // The server hears of it in its own time.
    await new Promise((resolve) => setTimeout(resolve, 50));
    open();
    await until("gone", async () => engine.sandboxes.size === 0 && (await rows()).length === 0);
    const next = await post(json, "application/json");
    expect([next.status, (await list()).length]).toEqual([201, 1]);
  });

  it("where the server stops before the answer", async () => {
    const { open, opened } = gate();
    beforeNoting = opened;
    const cut = post(json, accept).then((answer) => answer.text());
    cut.catch(() => undefined);
    await until("running", async () => (await list()).length === 1);
    setTimeout(open, 200);
    const stopped = server.close();
    const answer = await cut.catch(() => "");
    await stopped;
    // Either way both sides agree.
    expect(engine.sandboxes.size).toBe(answer.includes("sandboxID") ? 1 : 0);
  });

  it("but keeps one whose caller leaves after it; repeating it with its owner answers with that", async () => {
    const leave = new AbortController();
    const answer = await post(json, accept, leave.signal);
    const id = /"sandboxID":"([^"]+)"/.exec(await answer.text())?.[1];
    leave.abort();
    expect(await bodyOf(await post(json, "application/json"))).toMatchObject({ sandboxID: id });
    expect((await rows()).map((row) => row.id)).toEqual([id]);
  });

  it("but keeps one whose caller hangs up as soon as it has read the result", async () => {
    const reader = (await post(json, accept)).body?.getReader();
    let text = "";
    for (const decoder = new TextDecoder(); !text.includes("sandboxID"); ) {
      text += decoder.decode((await reader?.read())?.value, { stream: true });
    }
    await reader?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await rows()).map((row) => row.status)).toEqual(["running"]);
  });
});
