import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { packageRoot } from "../../src/client/package-root";
import { Image, Sandbox, Snapshots } from "../../src/sdk";

/**
 * The SDK and the command line as users have them: nothing is configured but a home, so the embedded server is started
 * from dist/ with the real engine, and outlives the program that started it.
 */
const COMMAND = join(packageRoot(), "dist", "src", "cli", "main.js");
let dir: string;
let home: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-sdk-"));
  home = join(dir, "home");
  vi.stubEnv("OPENCOMPUTER_HOME", home);
  vi.stubEnv("OPENCOMPUTER_API_URL", "");
  vi.stubEnv("OPENCOMPUTER_API_KEY", "");
  makeAgentDir();
});
afterAll(async () => {
  await cli("stop", "--all");
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true });
});

async function cli(...args: string[]) {
  const run = promisify(execFile)(process.execPath, [COMMAND, ...args], { env: process.env, timeout: 120_000 });
  const failed = (error: { code: number; stdout: string; stderr: string }) => error;
  const { stdout, stderr, code } = await run.then((output) => ({ ...output, code: 0 }), failed);
  return { stdout, stderr, code };
}

/** A tool with a mode, a link and a folder that is empty: what only an upload by digest keeps. */
function makeAgentDir(): void {
  const agent = join(dir, "agent");
  mkdirSync(join(agent, "cache"), { recursive: true });
  writeFileSync(join(agent, "tool.sh"), '#!/bin/sh\necho "tool says $1"\n');
  chmodSync(join(agent, "tool.sh"), 0o755);
  symlinkSync("tool.sh", join(agent, "link.sh"));
}

const image = () =>
  Image.base()
    .env({ GREETING: 'it\'s "$HOME"' })
    .addLocalDir(join(dir, "agent"), "/workspace/agent")
    .runCommands("echo built by $(id -un) > /workspace/built")
    .workdir("/workspace");

describe("declarative image", () => {
  it("builds, starts, runs, keeps modes, links and environment, and is built once", async () => {
    const progress: string[] = [];
    const logs: string[] = [];
    const onBuildLog = (log: string) => logs.push(log);
    await using sandbox = await Sandbox.create({
      image: image(),
      onBuildLog,
      onProgress: (line) => progress.push(line),
    });
    expect(progress[0]).toContain(home);
    expect(logs.join("\n")).toMatch(/step 4\/4/);

    const { exec, files } = sandbox;
    expect(await exec.run("pwd; cat built")).toEqual({
      exitCode: 0,
      stdout: "/workspace\nbuilt by root\n",
      stderr: "",
    });
    expect(await exec.run("./agent/link.sh x; ls -A agent")).toMatchObject({
      stdout: "tool says x\ncache\nlink.sh\ntool.sh\n",
    });
    expect(await exec.run('echo "$GREETING" >&2; exit 3')).toEqual({
      exitCode: 3,
      stdout: "",
      stderr: 'it\'s "$HOME"\n',
    });
    expect(await exec.run("echo $A $(pwd)", { env: { A: "b c" }, cwd: "/tmp" })).toMatchObject({
      stdout: "b c /tmp\n",
    });
    expect(await exec.run("sleep 30", { timeout: 1 })).toMatchObject({ exitCode: -1 });
    await expect(exec.run("sleep 5", { timeoutMs: 300 })).rejects.toMatchObject({ code: "timeout" });

    await files.write("/workspace/new/é.txt", "héllo");
    expect(await files.read("/workspace/new/é.txt")).toBe("héllo");
    const bytes = Uint8Array.from({ length: 2_000_000 }, (_, index) => index % 251);
    await files.write("/workspace/bytes", bytes);
    expect(Buffer.from(await files.readBytes("/workspace/bytes")).equals(bytes)).toBe(true);
    expect((await files.list("/workspace")).map((entry) => entry.name)).toEqual(["agent", "built", "bytes", "new"]);
    await files.remove("/workspace/new");
    expect(await files.exists("/workspace/new")).toBe(false);
    await expect(files.read("/workspace/new")).rejects.toMatchObject({ code: "not_found" });

    const again: string[] = [];
    await using other = await Sandbox.create({ image: image(), onBuildLog: (log) => again.push(log) });
    expect(other.sandboxId).not.toBe(sandbox.sandboxId);
    expect(again.join("\n")).not.toMatch(/step 1\/4/);
  });
});

describe("snapshots", () => {
  it("are created, listed, used and deleted, and are there for the command line", async () => {
    const snapshots = new Snapshots();
    const created = await snapshots.create({ name: "agent", image: image() });
    expect(created).toMatchObject({ name: "agent", status: "ready", contentHash: image().cacheKey() });
    expect(await snapshots.waitUntilReady("agent")).toMatchObject({ id: created.id });

    const sandbox = await Sandbox.create({ snapshot: "agent", envs: { GREETING: "mine" }, timeout: 600 });
    expect(await sandbox.exec.run("echo $GREETING")).toMatchObject({ stdout: "mine\n" });
    const ls = JSON.parse((await cli("ls", "--json")).stdout);
    expect(ls).toMatchObject({
      snapshots: [{ name: "agent" }],
      sandboxes: [{ sandboxID: sandbox.id, snapshot: "agent" }],
    });
    expect(await cli("exec", sandbox.id, "--", "sh", "-c", "echo out; echo err >&2; exit 5")).toEqual({
      ...{ code: 5, stdout: "out\n", stderr: "err\n" },
    });
    expect((await cli("logs", "agent")).stdout).toContain("checkpoint of 4 steps is ready");

    await snapshots.delete("agent");
    await snapshots.delete("agent");
    await expect(snapshots.get("agent")).rejects.toMatchObject({ code: "not_found" });
    expect(await sandbox.exec.run("cat built")).toMatchObject({ stdout: "built by root\n" });
    await sandbox.kill();
    expect(await sandbox.isRunning()).toBe(false);
  });

  it("that cannot be built leave a reason and a free name", async () => {
    const snapshots = new Snapshots();
    const bad = Image.base().runCommands("echo before", "ls /nowhere");
    await expect(snapshots.create({ name: "bad", image: bad })).rejects.toMatchObject({
      code: "build_failed",
      details: {
        step: 1,
        stepType: "run",
        exitCode: 2,
        lastLines: expect.arrayContaining([expect.stringContaining("/nowhere")]),
      },
    });
    await snapshots.create({ name: "bad", image: Image.base().runCommands("true") });
    await snapshots.delete("bad");
  });

  it("stop building when the caller leaves", async () => {
    const stop = new AbortController();
    const slow = Image.base().runCommands("echo started; sleep 60");
    const startedAt = Date.now();
    const onBuildLog = (log: string) => log === "started" && stop.abort();
    const build = new Snapshots().create({ name: "slow", image: slow, signal: stop.signal, onBuildLog });
    await expect(build).rejects.toMatchObject({ code: "aborted" });
    expect(Date.now() - startedAt).toBeLessThan(30_000);
  });
});

describe("what a sandbox was", () => {
  it("is kept, gone back to, forked and slept on, by programs and by the command line", async () => {
    await using parent = await Sandbox.create({ envs: { ROLE: "parent" } });
    await parent.files.write("state", "one");
    const { id } = await parent.createCheckpoint("one");
    expect(await parent.waitForCheckpoint(id)).toMatchObject({ status: "ready", kind: "disk_only" });
    await parent.files.write("state", "two");

    const forks = await parent.fork(2, { kind: "disk_only", envs: { ROLE: "worker" } });
    for (const { sandbox } of forks) {
      expect(await sandbox?.exec.run("cat state; echo -$ROLE")).toMatchObject({ stdout: "two-worker\n" });
    }
    await parent.restoreCheckpoint(id);
    expect(await parent.files.read("state")).toBe("one");

    expect(await cli("hibernate", parent.id)).toMatchObject({ code: 0 });
    expect(JSON.parse((await cli("ls", "--json")).stdout).sandboxes).toContainEqual(
      expect.objectContaining({ sandboxID: parent.id, status: "hibernated" }),
    );
    expect(await parent.files.read("state")).toBe("one");

    const kept = await cli("checkpoint", parent.id, "--name", "two", "--wait", "--json");
    expect(JSON.parse(kept.stdout)).toMatchObject({ name: "two", status: "ready" });
    await parent.kill();
    const { stdout } = await cli("fork", `${parent.id}/two`);
    await using copy = await Sandbox.connect(stdout.trim());
    expect(await copy.exec.run("cat state; echo -$ROLE")).toMatchObject({ stdout: "one-parent\n" });
    expect(await cli("rm", ...forks.map(({ sandbox }) => sandbox?.id ?? ""), `${parent.id}/one`)).toMatchObject({
      ...{ code: 0, stderr: "" },
    });
    expect(JSON.parse((await cli("ls", "--checkpoints", "--json")).stdout)).toMatchObject({
      checkpoints: [{ name: "two" }],
    });
  });
});

describe("the embedded server", () => {
  it("is stopped and started again, and a sandbox lives through it", async () => {
    const sandbox = await Sandbox.create();
    await sandbox.files.write("/tmp/kept", "yes");
    const first = JSON.parse((await cli("status", "--json")).stdout);
    expect(first).toMatchObject({ running: true, home, server: { engine: "local" } });
    expect(await cli("stop")).toMatchObject({ code: 0 });
    expect(await cli("status", "--json")).toMatchObject({ code: 3 });

    const [again] = await Promise.all([Sandbox.connect(sandbox.id), Sandbox.connect(sandbox.id), cli("ls")]);
    expect(await again.files.read("/tmp/kept")).toBe("yes");
    const second = JSON.parse((await cli("status", "--json")).stdout);
    expect(second.pid).not.toBe(first.pid);
    await again.kill();
  });
});
