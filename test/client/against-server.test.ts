import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServerApi } from "../../src/api/contract";
import type { BuildLogEvent } from "../../src/api/records";
import { createClient } from "../../src/client/client";
import { connectEmbedded } from "../../src/client/embedded";
import { OpenComputerError } from "../../src/errors";
import { Image } from "../../src/image/image";
import { Sandbox, Snapshots } from "../../src/sdk";
import { readServerConfig } from "../../src/server/config";
import { type RunningServer, runServer } from "../../src/server/run-server";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import { MemoryEngine } from "../server/memory-engine";
import { SILENT } from "../server/test-server";

/** Our client and our server, over real HTTP; only the engine is a double. */
let home: string;
let engine: MemoryEngine;
let server: RunningServer;
let api: ServerApi;
let where: { apiUrl: string; apiKey: string };

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "oc-client-server-"));
  engine = new MemoryEngine();
  const config = readServerConfig({ logLevel: "silent", home }, { env: {}, uid: 0, homeDir: "/" });
  const openStore = (dir: string) => openSqliteStore(join(dir, "server.db"));
  const signal = AbortSignal.timeout(60_000);
  server = await runServer(config, { engine, openStore, log: SILENT, now: Date.now, signal });
  where = { apiUrl: server.url, apiKey: server.apiKey };
  api = createClient(where);
});
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});

describe("a snapshot", () => {
  it("with files is built once, uploaded once, and has a log to read again", async () => {
    const image = Image.base().addFile("/a", "one").runCommands("print hello").resolve();
    const live: BuildLogEvent[] = [];
    const created = await api.createSnapshot({ name: "a", image }, { onBuildLog: (event) => live.push(event) });
    expect(created).toMatchObject({
      name: "a",
      status: "ready",
      contentHash: image.contentHash,
      manifest: image.manifest,
    });
    expect(live).toContainEqual({ step: 2, type: "run", message: "hello", stream: "stdout" });

    const again: BuildLogEvent[] = [];
    await api.followSnapshotLog("a", { onBuildLog: (event) => again.push(event) });
    expect(again).toEqual(live);
    const rest: BuildLogEvent[] = [];
    await api.followSnapshotLog("a", { from: 2, onBuildLog: (event) => rest.push(event) });
    expect(rest).toEqual(live.slice(2));

    await api.createSnapshot({ name: "b", image: { ...image, findBlob: () => undefined } });
    expect((await api.listSnapshots()).map((info) => info.name).sort()).toEqual(["a", "b"]);
    expect(engine.buildsRun).toBe(1);
  });

  it("that cannot be built says where and why", async () => {
    const image = Image.base().runCommands("fail").resolve();
    await expect(api.createSnapshot({ name: "a", image })).rejects.toMatchObject({
      code: "build_failed",
      details: { step: 1, summary: "fail", exitCode: 1, lastLines: ["it failed"] },
    });
  });

  it("whose client leaves is not built on", async () => {
    const stop = new AbortController();
    const image = Image.base().runCommands("wait for-ever").resolve();
    const build = api.createSnapshot({ name: "a", image }, { signal: stop.signal, onBuildLog: () => stop.abort() });
    await expect(build).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => api.listSnapshots()).toEqual([]);
  });

  it("is refused where the name is taken or is none", async () => {
    const image = Image.base().resolve();
    await api.createSnapshot({ name: "a", image });
    await expect(api.createSnapshot({ name: "a", image })).rejects.toMatchObject({ code: "conflict" });
    await expect(api.createSnapshot({ name: "a/b", image })).rejects.toMatchObject({ code: "invalid_input" });
  });

  it("has versions, tags, labels and users", async () => {
    const snapshots = new Snapshots(where);
    const make = (command: string, more = {}) =>
      snapshots.create({ name: "a", image: Image.base().runCommands(command), ifExists: "version", ...more });
    const first = await make("print 1", {
      labels: { "team/x": "a=b&c" },
      retention: { keepLast: 5 },
      buildTimeoutSeconds: 60,
    });
    const second = await make("print 2");
    expect(second).toMatchObject({ id: first.id, version: 2, current: true, labels: first.labels });
    expect(await snapshots.get(`a@${first.contentHash.slice(0, 12)}`)).toMatchObject({ version: 1, current: false });
    expect(await snapshots.tag("a@1", "stable")).toMatchObject({ version: 1, tags: ["stable"] });
    expect(await snapshots.get("a:stable")).toMatchObject({ version: 1 });
    expect(await snapshots.promote("a:stable")).toMatchObject({ version: 1, current: true });
    await using sandbox = await Sandbox.create({ ...where, snapshot: "a@2" });
    expect(await snapshots.usage("a")).toEqual({ sandboxes: [{ sandboxID: sandbox.id, version: 2 }] });
    expect(await snapshots.update("a", { labels: { stage: "prod" } })).toMatchObject({ labels: { stage: "prod" } });
    const names = async (labels: Record<string, string>) => (await snapshots.list({ labels })).map((info) => info.name);
    expect([await names({ stage: "prod" }), await names({ "team/x": "a=b&c" })]).toEqual([["a"], []]);
    for (const _time of ["once", "again is fine"]) {
      await snapshots.untag("a", "stable");
      await snapshots.delete("a@2");
    }
    expect((await snapshots.versions("a")).map((info) => info.version)).toEqual([1]);
    await expect(snapshots.get("a@2")).rejects.toMatchObject({ code: "not_found" });
    await expect(snapshots.versions("b")).rejects.toMatchObject({ code: "not_found" });
    await expect(snapshots.usage("b")).rejects.toMatchObject({ code: "not_found" });
  });

  it("that takes too long to build says so", async () => {
    const image = Image.base().runCommands("wait for-ever").resolve();
    const build = api.createSnapshot({ name: "a", image, buildTimeoutSeconds: 1 });
    await expect(build).rejects.toMatchObject({ code: "timeout", message: expect.stringContaining("within 1 s") });
  });

  it("that is gone is not found, and may be deleted again", async () => {
    await expect(api.getSnapshot("a")).rejects.toMatchObject({ code: "not_found" });
    await expect(api.followSnapshotLog("a")).rejects.toMatchObject({ code: "not_found" });
    await api.deleteSnapshot("a");
  });
});

describe("a build", () => {
  it("is listed while it runs, and its log can be looked into, followed, and read again", async () => {
    const image = Image.base().runCommands("print hello", "wait x", "print bye").resolve();
    const lines: string[] = [];
    const onBuildLog = ({ message }: BuildLogEvent) => lines.push(message);
    const created = api.createSnapshot({ name: "a", image }, { onBuildLog });
    await expect.poll(() => lines).toContain("hello");
    const [build] = await api.listBuilds();
    const id = build?.id ?? "";
    expect(build).toMatchObject({ name: "a", status: "running", contentHash: image.contentHash });
    expect(await api.followBuildLog(id, { follow: false })).toEqual(build);

    const rest: string[] = [];
    const followed = api.followBuildLog(id, { from: 1, onBuildLog: ({ message }) => rest.push(message) });
    await expect.poll(() => rest).toContain("hello");
    engine.release("x");
    await created;
    expect(await followed).toMatchObject({ id, status: "succeeded", finishedAt: expect.any(String) });
    expect(rest).toEqual(lines.slice(1));
    const again: string[] = [];
    await api.followBuildLog(id, { onBuildLog: ({ message }) => again.push(message) });
    expect(again).toEqual(lines);
  });

  it("that is not there is not found", async () => {
    await expect(api.followBuildLog("nope")).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("a sandbox", () => {
  it("lives from create to kill", async () => {
    await new Snapshots(where).create({ name: "a", image: Image.base().env({ A: "1" }).workdir("/w") });
    const sandbox = await Sandbox.create({ ...where, snapshot: "a", envs: { B: "2" }, timeout: 60 });
    expect(await sandbox.exec.run("env A")).toEqual({ exitCode: 0, stdout: "1\n", stderr: "" });
    expect(await sandbox.exec.run("env C", { env: { C: 'it\'s "$"\n' } })).toMatchObject({ stdout: 'it\'s "$"\n\n' });
    expect(await sandbox.exec.run("pwd")).toMatchObject({ stdout: "/w\n" });
    expect(await sandbox.exec.run("fail 7")).toMatchObject({ exitCode: 7 });
    expect(await sandbox.exec.run("sleep 700")).toMatchObject({ exitCode: 0 });
    expect(await sandbox.exec.run("sleep 5000", { timeout: 1 })).toMatchObject({ exitCode: -1 });
    await sandbox.setTimeout(600);
    expect((await api.getSandbox(sandbox.id)).endAt).toBeDefined();
    await sandbox.kill();
    expect(await sandbox.isRunning()).toBe(false);
    await expect(sandbox.exec.run("echo")).rejects.toMatchObject({ code: expect.stringMatching(/gone|not_found/) });
  });

  it("has the network and the tags that were asked for, and is found by them", async () => {
    const network = { allow: ["pypi.org"] };
    await using sandbox = await Sandbox.create({ ...where, network, tags: { team: "core" } });
    await using other = await Sandbox.create({ ...where, network: "none" });
    expect(await api.getSandbox(sandbox.id)).toMatchObject({ network, tags: { team: "core" } });
    expect([...engine.sandboxes.values()].map(({ spec }) => spec.network)).toEqual([network, "none"]);
    await other.setTags({ team: "core", stage: "dev" });
    const ids = async (tags: Record<string, string>) => (await api.listSandboxes({ tags })).map((one) => one.sandboxID);
    expect([await ids({ team: "core" }), await ids({ stage: "dev" })]).toEqual([[other.id, sandbox.id], [other.id]]);
  });

  it("of an owner is created once, and after its end anew", async () => {
    const create = () => api.createSandbox({ owner: "urn", timeout: 60 });
    const [first, second] = await Promise.all([create(), create()]);
    expect(second.sandboxID).toBe(first.sandboxID);
    await api.killSandbox(first.sandboxID);
    expect((await create()).sandboxID).not.toBe(first.sandboxID);
    expect(await api.listSandboxes()).toMatchObject([{ owner: "urn" }]);
  });

  it("takes and gives bytes as they are", async () => {
    await using sandbox = await Sandbox.create(where);
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    await sandbox.files.write("/d/f", bytes);
    expect(await sandbox.files.readBytes("/d/f")).toEqual(bytes);
    await sandbox.files.write("/d/é", "héllo");
    expect(await sandbox.files.read("/d/é")).toBe("héllo");
    expect(await sandbox.files.list("/d")).toEqual([
      { name: "f", path: "/d/f", isDir: false, size: 300_000 },
      { name: "é", path: "/d/é", isDir: false, size: 6 },
    ]);
    await sandbox.files.remove("/d/f");
    expect([await sandbox.files.exists("/d/f"), await sandbox.files.exists("/d/é")]).toEqual([false, true]);
    await expect(sandbox.files.read("/d/f")).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("checkpoints", () => {
  it("are kept, gone back to, started from and removed", async () => {
    const sandbox = await Sandbox.create({ ...where, envs: { A: "1", B: "1" }, metadata: { m: "x" } });
    const { files } = sandbox;
    await files.write("/f", "one");
    const begun = await sandbox.createCheckpoint("first", { retentionPolicy: { mode: "delete_oldest", maxCount: 2 } });
    expect(begun).toMatchObject({ name: "first", kind: "disk_only", status: "processing", sandboxId: sandbox.id });
    expect(await sandbox.waitForCheckpoint(begun.id)).toMatchObject({ status: "ready", sizeBytes: 3 });
    await files.write("/f", "two");
    const second = await api.createCheckpoint(sandbox.id, { name: "second", owner: "urn" });
    await expect(sandbox.createCheckpoint("first")).rejects.toMatchObject({ code: "conflict" });

    await sandbox.restoreCheckpoint(begun.id);
    expect([sandbox.status, await files.read("/f")]).toEqual(["running", "one"]);
    await sandbox.kill();
    const listed = await sandbox.listCheckpoints();
    expect(listed.map(({ name, status }) => [name, status])).toEqual([
      ["second", "ready"],
      ["first", "ready"],
    ]);
    expect(listed[0]?.owner).toBe("urn");
    expect(await api.listAllCheckpoints()).toEqual(listed);
    expect(await api.getCheckpoint(second.id)).toEqual(listed[0]);

    const tags = { team: "core" };
    await using copy = await Sandbox.createFromCheckpoint(second.id, { ...where, envs: { B: "2" }, tags });
    expect(await copy.files.read("/f")).toBe("two");
    expect((await copy.exec.run("env A")).stdout + (await copy.exec.run("env B")).stdout).toBe("1\n2\n");
    expect(await api.getSandbox(copy.id)).toMatchObject({ tags, metadata: { m: "x" }, fromCheckpointId: second.id });
    for (const _time of ["once", "again is fine"]) await sandbox.deleteCheckpoint(second.id);
    await expect(api.getCheckpoint(second.id)).rejects.toMatchObject({ code: "not_found" });
    expect(await copy.files.read("/f")).toBe("two");
  });

  it("that fail say why", async () => {
    await using sandbox = await Sandbox.create(where);
    await expect(sandbox.createCheckpoint("n", { kind: "full" })).rejects.toMatchObject({ code: "unsupported" });
    engine.failures.checkpoint = new OpenComputerError("unavailable", "the disk is full");
    const { id } = await sandbox.createCheckpoint("n");
    await expect(sandbox.waitForCheckpoint(id)).rejects.toThrow("the disk is full");
    await expect(Sandbox.createFromCheckpoint(id, where)).rejects.toMatchObject({ code: "invalid_input" });
    await expect(sandbox.restoreCheckpoint(id)).rejects.toMatchObject({ code: "invalid_input" });
  });

  it("that cannot be gone back to leave no sandbox", async () => {
    await using sandbox = await Sandbox.create(where);
    const { id } = await sandbox.createCheckpoint("n");
    await sandbox.waitForCheckpoint(id);
    engine.failures.restore = new Error("no");
    await expect(sandbox.restoreCheckpoint(id)).rejects.toMatchObject({ code: "gone" });
  });

  it("are not needed for a fork", async () => {
    await using sandbox = await Sandbox.create(where);
    await sandbox.files.write("/f", "one");
    const forks = await sandbox.fork(3, { envs: { ROLE: "worker" } });
    const seen = forks.map(async ({ sandbox: fork }) => [
      await fork?.files.read("/f"),
      (await fork?.exec.run("env ROLE"))?.stdout,
    ]);
    expect(await Promise.all(seen)).toEqual([1, 2, 3].map(() => ["one", "worker\n"]));
    expect(await sandbox.listCheckpoints()).toEqual([]);
    engine.failCreate = new OpenComputerError("unavailable", "no room");
    expect(await sandbox.fork(1)).toMatchObject([{ error: { code: "unavailable", message: "no room" } }]);
  });
});

describe("a sandbox that sleeps", () => {
  it("is there, and is woken by a call or by a use", async () => {
    const sandbox = await Sandbox.create({ ...where, timeout: 600 });
    await sandbox.files.write("/f", "one");
    expect(await sandbox.hibernate()).toMatchObject({ sandboxID: sandbox.id, status: "hibernated", kind: "disk_only" });
    expect(await sandbox.hibernate()).toMatchObject({ status: "hibernated" });
    expect([sandbox.status, await sandbox.isRunning()]).toEqual(["hibernated", false]);
    expect(await api.listSandboxes()).toMatchObject([{ sandboxID: sandbox.id, status: "hibernated" }]);
    expect(await api.wakeSandbox(sandbox.id)).toMatchObject({ status: "running", timeout: 600 });

    for (const use of [() => sandbox.files.read("/f"), () => sandbox.exec.run("echo")]) {
      await sandbox.hibernate();
      await use();
      expect(await sandbox.isRunning()).toBe(true);
    }
    await sandbox.hibernate();
    await sandbox.wake({ timeout: 60 });
    expect(await api.getSandbox(sandbox.id)).toMatchObject({ status: "running", timeout: 60 });
    await sandbox.hibernate();
    await sandbox.kill();
    await expect(sandbox.wake()).rejects.toMatchObject({ code: expect.stringMatching(/gone|not_found/) });
  });
});

describe("the server", () => {
  it("is found by its card", async () => {
    const found = await connectEmbedded({ env: { OPENCOMPUTER_HOME: home }, serverEntry: "/must/not/start" });
    expect(await found.info()).toMatchObject({ engine: "memory", version: "0.1.0" });
  });

  it("collects", async () => {
    expect(await api.collect()).toMatchObject({ layers: 0 });
  });

  it("refuses a wrong key", async () => {
    const stranger = createClient({ apiUrl: server.url, apiKey: "osb_wrong" });
    await expect(stranger.listSnapshots()).rejects.toMatchObject({ code: "unauthorized" });
  });
});
