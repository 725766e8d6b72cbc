import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Image, Sandbox, Snapshots, Tags } from "@opencomputer/sdk/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readServerConfig } from "../../src/server/config";
import { startServer } from "../../src/server/main";
import type { RunningServer } from "../../src/server/run-server";

/**
 * The official npm client, unchanged, against this server with its real engine: what a program written for the hosted
 * service sees when it is pointed here.
 */
let dir: string;
let server: RunningServer;
let options: { apiUrl: string; apiKey: string };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "opencomputer-compat-"));
  const config = readServerConfig(
    { home: join(dir, "home"), logLevel: "error" },
    { env: process.env, uid: process.getuid?.() ?? 0, homeDir: process.env["HOME"] ?? "/root" },
  );
  server = await startServer(config);
  options = { apiUrl: server.url, apiKey: server.apiKey };
});

afterAll(async () => {
  for (const { sandboxID } of await listSandboxes()) await (await Sandbox.connect(sandboxID, options)).kill();
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function listSandboxes(): Promise<{ sandboxID: string }[]> {
  const answer = await fetch(`${server.url}/api/sandboxes`, { headers: { "X-API-Key": server.apiKey } });
  return (await answer.json()) as { sandboxID: string }[];
}

async function checkpointKinds(): Promise<string[]> {
  const answer = await fetch(`${server.url}/api/info`, { headers: { "X-API-Key": server.apiKey } });
  return ((await answer.json()) as { checkpointKinds: string[] }).checkpointKinds;
}

function toolImage() {
  const tool = join(dir, "tool");
  mkdirSync(join(tool, "lib"), { recursive: true });
  writeFileSync(
    join(tool, "main.py"),
    "import sys\nsys.path.insert(0, '/workspace/tool/lib')\nimport words\nprint(words.HELLO)\n",
  );
  writeFileSync(join(tool, "lib", "words.py"), "HELLO = 'héllo'\n");
  return Image.base()
    .env({ GREETING: 'it\'s "$HOME" & <b>' })
    .addLocalDir(tool, "/workspace/tool")
    .addFile("/workspace/notes.txt", "first\n")
    .runCommands("cd /workspace", "wc -l < notes.txt > count")
    .workdir("/workspace");
}

describe("sandbox from a declarative image", () => {
  it("builds, runs, moves files and is killed", async () => {
    const log: string[] = [];
    const sandbox = await Sandbox.create({
      ...options,
      ...{ image: toolImage(), onBuildLog: (line: string) => log.push(line) },
      ...{ envs: { MODE: "test" }, metadata: { purpose: "compat" }, memoryMB: 1024, cpuCount: 1, timeout: 300 },
    });
    expect(sandbox.status).toBe("running");
    expect(log.some((line) => line.includes("addLocalDir") || line.includes("/workspace/tool"))).toBe(true);

    expect(await sandbox.exec.run("pwd && cat count && python3 tool/main.py")).toEqual({
      ...{ exitCode: 0, stdout: "/workspace\n1\nhéllo\n", stderr: "" },
    });
    const environment = await sandbox.exec.run('echo "$GREETING|$MODE|$EXTRA"; id -un', { env: { EXTRA: "more" } });
    expect(environment.stdout).toBe('it\'s "$HOME" & <b>|test|more\nsandbox\n');
    expect(await sandbox.exec.run("echo out; echo err >&2; exit 3", { cwd: "/tmp" })).toEqual({
      ...{ exitCode: 3, stdout: "out\n", stderr: "err\n" },
    });
    // Longer than the inline hold, so the client polls.
    expect(await sandbox.exec.run("sleep 1; echo slept")).toMatchObject({ exitCode: 0, stdout: "slept\n" });
    expect((await sandbox.exec.run("sleep 30", { timeout: 1 })).exitCode).toBe(-1);

    await sandbox.files.write("/workspace/deep/er/a b.txt", "written\n");
    expect(await sandbox.files.read("/workspace/deep/er/a b.txt")).toBe("written\n");
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    await sandbox.files.write("/workspace/bytes", bytes);
    expect(Buffer.from(await sandbox.files.readBytes("/workspace/bytes")).equals(Buffer.from(bytes))).toBe(true);
    await sandbox.files.makeDir("/workspace/made/dir");
    const entries = await sandbox.files.list("/workspace");
    expect(entries.map((entry) => entry.name).sort()).toEqual(["bytes", "count", "deep", "made", "notes.txt", "tool"]);
    expect(entries.find((entry) => entry.name === "made")?.isDir).toBe(true);
    expect(await sandbox.files.exists("/workspace/bytes")).toBe(true);
    await sandbox.files.remove("/workspace/bytes");
    expect(await sandbox.files.exists("/workspace/bytes")).toBe(false);

    const again = await Sandbox.connect(sandbox.sandboxId, options);
    expect(await again.isRunning()).toBe(true);
    await again.setTimeout(600);
    await sandbox.kill();
    expect(await again.isRunning()).toBe(false);
    await expect(again.exec.run("true")).rejects.toThrow(/410/);
  });

  it("says why a build failed, with the step and its output", async () => {
    const image = Image.base().runCommands("echo before it broke; exit 7");
    const failing = Sandbox.create({ ...options, image });
    await expect(failing).rejects.toThrow(/^Build failed: [\s\S]*exit[\s\S]*7/);
  });
});

describe("tags", () => {
  it("are put in the place of all, and got", async () => {
    const sandbox = await Sandbox.create(options);
    const tags = new Tags(options.apiUrl, options.apiKey);
    expect(await tags.get(sandbox.sandboxId)).toEqual({ tags: {}, tagsLastUpdatedAt: null });
    const set = await tags.set(sandbox.sandboxId, { team: "core" });
    expect(set).toEqual({ tags: { team: "core" }, tagsLastUpdatedAt: expect.any(String) });
    expect(await tags.get(sandbox.sandboxId)).toEqual(set);
    await expect(tags.set(sandbox.sandboxId, { "a b": "" })).rejects.toThrow(/1 to 128/);
    await sandbox.kill();
  });
});

describe("checkpoints", () => {
  const names = async (sandbox: Sandbox) => (await sandbox.listCheckpoints()).map(({ name, status }) => [name, status]);
  const whenReady = (sandbox: Sandbox, id: string) =>
    expect
      .poll(async () => (await sandbox.listCheckpoints()).find((one) => one.id === id)?.status, { timeout: 30_000 })
      .toBe("ready");

  it("are taken, gone back to, started from and deleted", async () => {
    const sandbox = await Sandbox.create({ ...options, envs: { MODE: "test", ROLE: "parent" } });
    await sandbox.files.write("/home/sandbox/notes.txt", "one\n");
    const taken = await sandbox.createCheckpoint("one", { kind: "disk_only" });
    expect(taken).toMatchObject({ name: "one", kind: "disk_only", status: "processing", sandboxId: sandbox.sandboxId });
    await whenReady(sandbox, taken.id);
    await sandbox.files.write("/home/sandbox/notes.txt", "two\n");
    const retentionPolicy = { mode: "delete_oldest" as const, maxCount: 2 };
    const second = await sandbox.createCheckpoint("two", { promoteToFull: false, retentionPolicy });
    await whenReady(sandbox, second.id);
    await expect(sandbox.createCheckpoint("two")).rejects.toThrow(/Failed to create checkpoint: 409/);

    await sandbox.restoreCheckpoint(taken.id);
    expect(await sandbox.exec.run("cat notes.txt")).toMatchObject({ exitCode: 0, stdout: "one\n" });
    await sandbox.files.write("/home/sandbox/notes.txt", "three\n");
    const third = await sandbox.createCheckpoint("three", { retentionPolicy });
    await whenReady(sandbox, third.id);
    // The sandbox stands on the oldest, so the next one made way.
    expect(await names(sandbox)).toEqual([
      ["three", "ready"],
      ["one", "ready"],
    ]);
    await expect(Sandbox.createFromCheckpoint(second.id, options)).rejects.toThrow(/404/);
    await sandbox.kill();

    const copy = await Sandbox.createFromCheckpoint(third.id, { ...options, timeout: 60, envs: { ROLE: "copy" } });
    expect(copy.sandboxId).not.toBe(sandbox.sandboxId);
    expect(await copy.exec.run("cat notes.txt; echo $MODE $ROLE")).toMatchObject({ stdout: "three\ntest copy\n" });
    for (const { id } of await sandbox.listCheckpoints()) await sandbox.deleteCheckpoint(id);
    await sandbox.deleteCheckpoint(taken.id);
    expect(await sandbox.listCheckpoints()).toEqual([]);
    expect(await copy.exec.run("cat notes.txt")).toMatchObject({ stdout: "three\n" });
    await copy.kill();
  });

  it("keep memory and processes, or it is said that this server cannot", async () => {
    const sandbox = await Sandbox.create(options);
    await sandbox.exec.run("nohup sh -c 'sleep 1000; true' > /dev/null 2>&1 &");
    const running = async (one: Sandbox) => (await one.exec.run("pgrep -fc '^sleep 1000'")).stdout;
    expect(await running(sandbox)).toBe("1\n");
    const take = () => sandbox.createCheckpoint("all", { kind: "full" });
    if (!(await checkpointKinds()).includes("full")) {
      await expect(take()).rejects.toThrow(/takes no full checkpoints; it has: disk_only/);
      return sandbox.kill();
    }
    const { id } = await take();
    await whenReady(sandbox, id);
    await sandbox.kill();
    const copy = await Sandbox.createFromCheckpoint(id, options);
    expect(await running(copy)).toBe("1\n");
    await sandbox.deleteCheckpoint(id);
    expect(await running(copy)).toBe("1\n");
    await copy.kill();
  });

  it("go on with a sandbox that was asleep", async () => {
    const sandbox = await Sandbox.create(options);
    await sandbox.files.write("/home/sandbox/notes.txt", "kept\n");
    await sandbox.hibernate();
    expect([sandbox.status, await sandbox.isRunning()]).toEqual(["hibernated", false]);
    await sandbox.wake();
    expect([sandbox.status, await sandbox.isRunning()]).toEqual(["running", true]);
    expect(await sandbox.exec.run("cat notes.txt")).toMatchObject({ stdout: "kept\n" });

    // The client asks the server not to hold its call while it wakes the sandbox, and calls again.
    await sandbox.hibernate();
    expect(await sandbox.files.read("/home/sandbox/notes.txt")).toBe("kept\n");
    await sandbox.hibernate();
    expect(await sandbox.exec.run("cat notes.txt")).toMatchObject({ stdout: "kept\n" });
    await sandbox.kill();
  });
});

describe("snapshots", () => {
  it("are created, listed, got, started from and deleted", async () => {
    const snapshots = new Snapshots(options);
    const log: string[] = [];
    const created = await snapshots.create({
      name: "tools",
      image: toolImage(),
      onBuildLogs: (line) => log.push(line),
    });
    expect(created).toMatchObject({ name: "tools", status: "ready" });
    expect(created.contentHash).toMatch(/^[0-9a-f]{64}$/);
    expect(log.length).toBeGreaterThan(0);
    expect((await snapshots.list()).map((snapshot) => snapshot.name)).toEqual(["tools"]);
    expect(await snapshots.get("tools")).toMatchObject({ id: created.id, checkpointId: created.checkpointId });
    expect(await snapshots.waitUntilReady("tools", { timeoutMs: 5000 })).toMatchObject({ status: "ready" });

    await expect(snapshots.create({ name: "tools", image: Image.base() })).rejects.toThrow(
      /Failed to create snapshot: 409 .*snapshot name already exists/,
    );

    const sandbox = await Sandbox.create({ ...options, snapshot: "tools" });
    expect(await sandbox.exec.run("cat notes.txt")).toMatchObject({ stdout: "first\n" });
    await snapshots.delete("tools");
    await snapshots.delete("tools");
    await expect(snapshots.get("tools")).rejects.toThrow("Failed to get snapshot: 404");
    expect(await sandbox.exec.run("cat notes.txt")).toMatchObject({ stdout: "first\n" });
    await sandbox.kill();
  });

  it("with versions are one name, and their references are names", async () => {
    const snapshots = new Snapshots(options);
    const first = await snapshots.create({ name: "versioned", image: Image.base().runCommands("echo 1 > /tmp/v") });
    const headers = { "X-API-Key": server.apiKey, "Content-Type": "application/json" };
    const image = { base: "base", steps: [{ type: "run", args: { commands: ["echo 2 > /tmp/v"] } }] };
    const body = JSON.stringify({ name: "versioned", image, ifExists: "version" });
    const made = await fetch(`${server.url}/api/snapshots`, { method: "POST", headers, body });
    expect(made.status).toBe(201);

    const [listed, ...others] = await snapshots.list();
    expect([listed, others]).toMatchObject([{ id: first.id, name: "versioned", status: "ready" }, []]);
    expect(listed?.contentHash).not.toBe(first.contentHash);
    expect(await snapshots.get("versioned@1")).toMatchObject({ contentHash: first.contentHash });
    const sandbox = await Sandbox.create({ ...options, snapshot: "versioned@1" });
    expect(await sandbox.exec.run("cat /tmp/v")).toMatchObject({ stdout: "1\n" });
    await sandbox.kill();
    await snapshots.delete("versioned");
    expect(await snapshots.list()).toEqual([]);
  });

  it("fail as the client surfaces it", async () => {
    const snapshots = new Snapshots(options);
    await expect(snapshots.create({ name: "a/b", image: Image.base() })).rejects.toThrow(/400 .*name/);
    await expect(snapshots.create({ name: "x", image: Image.base().aptInstall([""]) })).rejects.toThrow(
      /400 .*steps\[0\]\.args\.packages\[0\]/,
    );
    await expect(Sandbox.create({ ...options, snapshot: "nope" })).rejects.toThrow(
      "Build failed: snapshot not found: nope",
    );
    await expect(Sandbox.connect("sb-000000000000", options)).rejects.toThrow(/404/);
    await expect(new Snapshots({ ...options, apiKey: "wrong" }).list()).rejects.toThrow(/401/);
    expect(await snapshots.list()).toEqual([]);
  });
});
