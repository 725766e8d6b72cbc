import * as official from "@opencomputer/sdk/node";
import { afterEach, describe, expect, it } from "vitest";
import * as ours from "../../src/sdk";
import { type FakeServer, type Replies, sse, startFakeServer } from "../client/fake-server";

/**
 * A program moves over from the official SDK by changing its import: the same program, run with either, sends the same
 * requests and gets the same results.
 */
type Sdk = Pick<typeof ours, "Image" | "Sandbox" | "Snapshots">;
type Program = (sdk: Sdk, where: { apiUrl: string; apiKey: string }) => Promise<unknown>;

const SNAPSHOT = {
  ...{
    id: "1",
    name: "n",
    status: "ready",
    contentHash: "abc",
    checkpointId: "c",
    manifest: { base: "base", steps: [] },
  },
  ...{ createdAt: "2026-01-01T00:00:00Z", lastUsedAt: "2026-01-02T00:00:00Z" },
};
const SANDBOX = { sandboxID: "sb-1", status: "running" };
const CHECKPOINT = {
  ...{ id: "cp-1", sandboxId: "sb-1", name: "before", kind: "disk_only", status: "ready", sizeBytes: 10 },
  createdAt: "2026-01-01T00:00:00Z",
};
const LOG = { step: 1, type: "run", message: "step 1/1: true" };
const FILES = "/api/sandboxes/sb-1/files";
const REPLIES: Replies = {
  "POST /api/snapshots": sse(["build_log", LOG], ["result", SNAPSHOT]),
  "GET /api/snapshots": { json: [SNAPSHOT] },
  "GET /api/snapshots/n": [{ json: { ...SNAPSHOT, status: "building" } }, { json: SNAPSHOT }],
  "DELETE /api/snapshots/n": { status: 404, json: { error: "snapshot not found" } },
  "POST /api/sandboxes": ({ headers }) =>
    headers["accept"] === "text/event-stream"
      ? sse(["build_log", LOG], ["result", SANDBOX])
      : { status: 201, json: SANDBOX },
  "GET /api/sandboxes/sb-1": { json: SANDBOX },
  "DELETE /api/sandboxes/sb-1": { status: 204 },
  "POST /api/sandboxes/sb-1/timeout": { status: 204 },
  "POST /api/sandboxes/sb-1/hibernate": { json: { sandboxID: "sb-1", status: "hibernated", sizeBytes: 1 } },
  "POST /api/sandboxes/sb-1/wake": { json: SANDBOX },
  "POST /api/sandboxes/sb-1/checkpoints": { status: 201, json: { ...CHECKPOINT, status: "processing" } },
  "GET /api/sandboxes/sb-1/checkpoints": { json: [CHECKPOINT] },
  "POST /api/sandboxes/sb-1/checkpoints/cp-1/restore": {
    json: { sandboxId: "sb-1", checkpointId: "cp-1", status: "restoring" },
  },
  "DELETE /api/sandboxes/sb-1/checkpoints/cp-1": [{ status: 204 }, { status: 404, json: { error: "no checkpoint" } }],
  "POST /api/sandboxes/from-checkpoint/cp-1": {
    status: 201,
    json: { ...SANDBOX, sandboxID: "sb-2", fromCheckpointId: "cp-1" },
  },
  "POST /api/sandboxes/sb-1/exec/run-async": [
    { json: { exitCode: 0, stdout: "hi\n", stderr: "" } },
    { status: 202, json: { execId: "e", running: true, startedAt: "2026" } },
  ],
  "GET /api/sandboxes/sb-1/exec/e/result": { json: { running: false, exitCode: 2, stdout: "", stderr: "no\n" } },
  [`GET ${FILES}`]: { chunks: ["héllo"] },
  [`PUT ${FILES}`]: { status: 204 },
  [`DELETE ${FILES}`]: { status: 204 },
  [`GET ${FILES}/list`]: { json: [{ name: "a", path: "/a", isDir: false, size: 5 }] },
  [`POST ${FILES}/mkdir`]: { status: 204 },
};

const PROGRAMS: Record<string, Program> = {
  "creates from the base": async ({ Sandbox }, where) => {
    const sandbox = await Sandbox.create({
      ...where,
      envs: { A: "1" },
      metadata: { m: "x" },
      cpuCount: 1,
      memoryMB: 1024,
    });
    return [sandbox.sandboxId, sandbox.id, sandbox.status];
  },
  "creates from an image": async ({ Sandbox, Image }, where) => {
    const logs: string[] = [];
    const image = Image.base()
      .aptInstall(["jq"])
      .pipInstall(["pandas>=2"])
      .env({ B: "2" })
      .workdir("/w")
      .runCommands("true");
    const sandbox = await Sandbox.create({ ...where, image, timeout: 60, onBuildLog: (log) => logs.push(log) });
    return [sandbox.sandboxId, logs];
  },
  "creates from a snapshot": async ({ Sandbox }, where) => (await Sandbox.create({ ...where, snapshot: "n" })).status,
  "connects and lives": async ({ Sandbox }, where) => {
    const sandbox = await Sandbox.connect("sb-1", where);
    await sandbox.setTimeout(300);
    const running = await sandbox.isRunning();
    await sandbox.kill();
    return [running, sandbox.status];
  },
  "sleeps and wakes": async ({ Sandbox }, where) => {
    const sandbox = await Sandbox.connect("sb-1", where);
    const seen = [sandbox.status];
    await sandbox.hibernate();
    seen.push(sandbox.status);
    await sandbox.wake();
    seen.push(sandbox.status);
    await sandbox.wake({ timeout: 60 });
    return seen;
  },
  "keeps checkpoints": async ({ Sandbox }, where) => {
    const sandbox = await Sandbox.connect("sb-1", where);
    const retentionPolicy = { mode: "delete_oldest", maxCount: 3 } as const;
    const created = [
      await sandbox.createCheckpoint("before"),
      await sandbox.createCheckpoint("after", { kind: "full", retentionPolicy }),
    ];
    await sandbox.restoreCheckpoint("cp-1");
    await sandbox.deleteCheckpoint("cp-1");
    await sandbox.deleteCheckpoint("cp-1");
    return [created, await sandbox.listCheckpoints(), sandbox.status];
  },
  "creates from a checkpoint": async ({ Sandbox }, where) => {
    const plain = await Sandbox.createFromCheckpoint("cp-1", where);
    const sandbox = await Sandbox.createFromCheckpoint("cp-1", { ...where, timeout: 60, envs: { A: "1" } });
    return [plain.id, sandbox.sandboxId, sandbox.status];
  },
  "runs commands": async ({ Sandbox }, where) => {
    const sandbox = await Sandbox.connect("sb-1", where);
    const quick = await sandbox.exec.run("echo hi");
    const slow = await sandbox.commands.run("false", { timeout: 5, env: { C: "3" }, cwd: "/w" });
    return [quick, slow];
  },
  "handles files": async ({ Sandbox }, where) => {
    const { files } = await Sandbox.connect("sb-1", where);
    await files.write("/a b", "text");
    await files.write("/bytes", new Uint8Array([1, 2, 255]));
    await files.makeDir("/d");
    await files.remove("/d");
    return [await files.read("/a"), await files.readBytes("/a"), await files.list("/"), await files.list()];
  },
  "handles snapshots": async ({ Snapshots, Image }, where) => {
    const logs: string[] = [];
    const snapshots = new Snapshots(where);
    const image = Image.base().aptInstall(["jq"]).builderMemory(8192);
    const created = await snapshots.create({ name: "n", image, onBuildLogs: (log) => logs.push(log) });
    const waited = await snapshots.waitUntilReady("n", { pollIntervalMs: 1 });
    await snapshots.delete("n");
    return [created, logs, waited, await snapshots.list(), await snapshots.get("n")];
  },
};

let server: FakeServer;
afterEach(() => server?.close());

async function run(sdk: Sdk, program: Program) {
  server = await startFakeServer(REPLIES);
  const result = await program(sdk, { apiUrl: server.url, apiKey: "k" });
  const requests = server.requests.map(({ call, headers, body }) => ({
    call,
    key: headers["x-api-key"],
    accept: headers["accept"] === "text/event-stream",
    body:
      headers["content-type"] === "application/json" && body.length > 0
        ? JSON.parse(body.toString())
        : body.toString("hex"),
  }));
  await server.close();
  return { result, requests };
}

describe("either SDK", () => {
  it.each(Object.entries(PROGRAMS))("%s", async (_name, program) => {
    const expected = await run(official as unknown as Sdk, program);
    expect(expected.requests.length).toBeGreaterThan(0);
    expect(await run(ours, program)).toEqual(expected);
  });
});
