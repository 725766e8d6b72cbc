import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectEmbedded, type EmbeddedOptions } from "../../src/client/embedded";
import { type FakeServer, startFakeServer } from "./fake-server";

const ENTRY = join(__dirname, "fake-embedded.cjs");
const INFO = { version: "0.1.0", engine: "e", runtime: "r", runtimeVersion: "1", base: "b", baseDigest: "d" };

let home: string;
let server: FakeServer | undefined;
const progress: string[] = [];
const warnings: string[] = [];

beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), "oc-home-")), "home");
  progress.length = 0;
  warnings.length = 0;
});
afterEach(async () => {
  const card = readCard();
  if (card !== undefined && card.pid !== process.pid) stop(card.pid);
  rmSync(join(home, ".."), { recursive: true });
  await server?.close();
  server = undefined;
});

function readCard(): { pid: number } | undefined {
  try {
    return JSON.parse(readFileSync(join(home, "server.json"), "utf8"));
  } catch {
    return undefined;
  }
}

function stop(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

function connect(plan: string, options: Partial<EmbeddedOptions> = {}, env: Record<string, string> = {}) {
  return connectEmbedded({
    env: { PATH: process.env["PATH"], OPENCOMPUTER_HOME: home, FAKE_PLAN: plan, ...env },
    serverEntry: ENTRY,
    onProgress: (line) => progress.push(line),
    onWarning: (line) => warnings.push(line),
    ...options,
  });
}

function writeCard(card: unknown): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "server.json"), typeof card === "string" ? card : JSON.stringify(card));
}

const starts = () =>
  existsSync(join(home, "starts")) ? readFileSync(join(home, "starts"), "utf8").trim().split("\n") : [];

/** The number of a process that has ended. */
const deadPid = () => spawnSync("true").pid;

describe("a server that runs", () => {
  it("is used, and nothing is started", async () => {
    server = await startFakeServer({ "GET /api/info": { json: INFO } });
    writeCard({ url: server.url, apiKey: "k", pid: process.pid, version: "0.1.0" });
    await connect("ready");
    expect(starts()).toEqual([]);
    expect(server.requests[0]?.headers["x-api-key"]).toBe("k");
    expect(warnings).toEqual([]);
  });

  it("of another version is used with a warning", async () => {
    server = await startFakeServer({ "GET /api/info": { json: INFO } });
    writeCard({ url: server.url, apiKey: "k", pid: process.pid, version: "9.9.9" });
    await connect("ready");
    expect(warnings).toEqual([expect.stringMatching(/9\.9\.9.*pulumi-opencomputer stop/)]);
  });

  it("of another language is refused with what to do", async () => {
    server = await startFakeServer({ "GET /api/info": { json: { hello: 1 } } });
    writeCard({ url: server.url, apiKey: "k", pid: process.pid, version: "9.9.9" });
    await expect(connect("ready")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("stop"),
    });
  });
});

describe("a new server is started", () => {
  it.each<[string, () => unknown]>([
    ["where there is no card", () => undefined],
    ["where the card is not JSON", () => "{"],
    ["where the card lacks its key", () => ({ url: "http://127.0.0.1:1", pid: process.pid, version: "1" })],
    ["where the card's URL is none", () => ({ url: "nowhere", apiKey: "k", pid: process.pid, version: "1" })],
    ["where its process is dead", () => ({ url: "http://127.0.0.1:1", apiKey: "k", pid: deadPid(), version: "1" })],
    ["where nothing listens", () => ({ url: "http://127.0.0.1:1", apiKey: "k", pid: process.pid, version: "1" })],
  ])("%s", async (_name, card) => {
    const content = card();
    if (content !== undefined) writeCard(content);
    const api = await connect("ready");
    expect(await api.info()).toMatchObject({ engine: "fake" });
    expect(starts()).toEqual([`serve --home ${home}|`]);
  });

  it("where a stranger has its port", async () => {
    server = await startFakeServer({ "GET /api/info": { status: 404, chunks: ["a web page"] } });
    writeCard({ url: server.url, apiKey: "k", pid: process.pid, version: "1" });
    await connect("ready");
    expect(starts()).toHaveLength(1);
  });

  it("with a private folder and log, and without the stack's secrets", async () => {
    await connect("text hello;ready", {}, { PULUMI_CONFIG_PASSPHRASE: "secret" });
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, "server.log")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(home, "server.log"), "utf8")).toBe("hello\n");
    expect(starts().join()).not.toContain("secret");
  });

  it("once, though several programs ask: who loses waits for the winner", async () => {
    const loses = 'fatal {"error":"the home is taken","code":"conflict"};exit 1';
    const winner = connect("progress base;sleep 300;ready");
    const losers = [connect(loses), connect(loses)];
    const infos = await Promise.all([winner, ...losers].map(async (api) => (await api).info()));
    expect(infos).toHaveLength(3);
    expect(starts()).toHaveLength(3);
  });

  it("again, where the server that held the home went away", async () => {
    mkdirSync(home, { recursive: true });
    const plan = 'fatal {"error":"the home is taken","code":"conflict"};exit 1';
    const env: Record<string, string> = { FAKE_PLAN: plan, OPENCOMPUTER_HOME: home, PATH: process.env["PATH"] ?? "" };
    const waiting = connectEmbedded({ env, serverEntry: ENTRY, waits: { restartMs: 50 } });
    await expect.poll(starts).toHaveLength(1);
    env["FAKE_PLAN"] = "ready";
    await waiting;
    expect(starts().length).toBeGreaterThan(1);
  });
});

describe("while it starts", () => {
  it("progress is told, and lines keep the wait alive", async () => {
    const plan = "progress one;sleep 300;text anything;sleep 300;progress two;sleep 300;ready";
    await connect(plan, { waits: { silenceMs: 700 } });
    expect(progress.slice(1)).toEqual(["one", "two"]);
  });

  it("old lines of the log are not told", async () => {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "server.log"), '{"progress":"old"}\n{"fatal":{"error":"old"}}\n');
    await connect("progress new;ready");
    expect(progress.slice(1)).toEqual(["new"]);
  });

  it.each<[string, string, object]>([
    [
      "it gives up with its own error",
      'fatal {"error":"no runc, apt-get install runc","code":"requirement_missing","details":{"name":"runc"}};exit 1',
      { code: "requirement_missing", message: "no runc, apt-get install runc", details: { name: "runc" } },
    ],
    [
      "it dies: the last lines say why",
      "text Error: boom;exit 7",
      { code: "unavailable", message: expect.stringMatching(/exit code 7[\s\S]*server\.log[\s\S]*boom/) },
    ],
    [
      "it is silent for too long",
      "sleep 5000",
      { code: "timeout", message: expect.stringContaining("0.4 s without a line") },
    ],
  ])("%s", async (_name, plan, expected) => {
    await expect(connect(plan, { waits: { silenceMs: 400 } })).rejects.toMatchObject(expected);
  });

  it("it takes longer than all patience", async () => {
    const plan = Array.from({ length: 20 }, (_, index) => `progress ${index};sleep 100`).join(";");
    await expect(connect(plan, { waits: { totalMs: 500 } })).rejects.toMatchObject({ code: "timeout" });
  });

  it("the caller may leave; the server goes on", async () => {
    const stopped = connect("sleep 400;ready", { signal: AbortSignal.timeout(200) });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(readCard).toBeDefined();
  });
});

it("says what to do where the home cannot be made", async () => {
  writeFileSync(join(home, "..", "file"), "");
  const env = { OPENCOMPUTER_HOME: join(home, "..", "file", "home") };
  await expect(connect("ready", {}, env)).rejects.toMatchObject({
    code: "requirement_missing",
    message: expect.stringContaining("OPENCOMPUTER_HOME"),
  });
});
