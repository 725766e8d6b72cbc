import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Image, Sandbox, Snapshots } from "@opencomputer/sdk/node";
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
