import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { connectEmbedded } from "../../src/client/embedded";
import { isAlive } from "../../src/client/running-server";
import { runCommandLine } from "./fake-terminal";

const ENTRY = join(__dirname, "..", "client", "fake-embedded.cjs");
const PLAN = "lock;progress unpacking the base;sleep 20000";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "oc-starting-"));
});
afterEach(async () => {
  await run("stop");
  rmSync(home, { recursive: true });
});

const run = (...args: string[]) => runCommandLine(args, { env: { OPENCOMPUTER_HOME: home } });

/** Leaves the start at the moment when it tells of the base. */
async function interruptStart(): Promise<unknown> {
  const interrupt = new AbortController();
  const env = { PATH: process.env["PATH"], OPENCOMPUTER_HOME: home, FAKE_PLAN: PLAN };
  const onProgress = (line: string) => line.startsWith("unpacking") && interrupt.abort();
  return connectEmbedded({ env, serverEntry: ENTRY, onProgress, signal: interrupt.signal }).catch((error) => error);
}

it("a start that was interrupted goes on: status shows it, others start none beside it, stop ends it", async () => {
  expect(await interruptStart()).toMatchObject({
    code: "aborted",
    message: expect.stringMatching(/in the background; stop it with: pulumi-opencomputer stop$/),
  });

  const status = await run("status");
  expect(status).toMatchObject({
    exitCode: 3,
    stdout: expect.stringMatching(/^starting \(process \d+\): unpacking the base\n$/),
  });
  const { pid, running } = JSON.parse((await run("status", "--json")).stdout);
  expect({ alive: isAlive(pid), running }).toEqual({ alive: true, running: false });

  expect(await run("ls")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("unpacking the base") });

  expect((await run("stop")).stdout).toBe(`stopped the server that was starting (process ${pid})\n`);
  expect(isAlive(pid)).toBe(false);
  expect((await run("status")).stdout).toMatch(/^not running/);
  expect(readFileSync(join(home, "starts"), "utf8").trim().split("\n")).toHaveLength(1);
  expect(existsSync(join(home, "server.json"))).toBe(false);
});
