import { afterEach, describe, expect, it } from "vitest";
import { type FakeServer, type Replies, type Reply, sse, startFakeServer } from "../client/fake-server";
import { runCommandLine } from "./fake-terminal";

const ID = "5c1f09ab-9d2e-4a57-8a43-0c1f5f0d7a11";
const BUILD = { id: ID, status: "running", contentHash: "abc", name: "agent", startedAt: "2026-05-04T10:20:30Z" };
const OVER = { ...BUILD, status: "succeeded" };
const SNAPSHOT = { id: "1", name: "agent", status: "ready", contentHash: "abc", manifest: {}, createdAt: "2026" };
const LOG = { step: 1, type: "run", message: "step 1/1: run make" };
const LINE = { ...LOG, message: "cc main.c", stream: "stdout" };
const LIST = "GET /api/builds";
const BY_NAME = "GET /api/snapshots/agent/log";
const BY_ID = `GET /api/builds/${ID}/log`;

let server: FakeServer;
afterEach(() => server.close());

async function logs(args: readonly string[], replies: Replies) {
  server = await startFakeServer(replies);
  return runCommandLine(["logs", ...args], { url: server.url });
}
const calls = () => server.requests.map(({ call }) => call);
const log = (result: object): Reply => sse(["build_log", LOG], ["build_log", LINE], ["result", result]);
const TEXT = "step 1/1: run make\n    cc main.c\n";

describe("logs", () => {
  it("prints steps, and what commands said below them", async () => {
    const { exitCode, stdout } = await logs(["agent", "--from", "3"], { [BY_NAME]: log(SNAPSHOT) });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: TEXT });
    expect(calls()).toEqual([`${BY_NAME}?from=3`]);
  });

  it("prints JSON lines", async () => {
    const { stdout } = await logs(["agent", "--json"], { [BY_NAME]: log(SNAPSHOT) });
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([LOG, LINE]);
  });

  it("fails where the build failed; what the log said is not said again", async () => {
    const error = {
      error: "step 1/1 (run make): exit code 2\n  make: ***\n  no rule",
      code: "build_failed",
      details: { lastLines: ["make: ***", "no rule"] },
    };
    const { exitCode, stderr } = await logs(["agent"], { [BY_NAME]: sse(["error", error]) });
    expect(exitCode).toBe(1);
    expect(stderr).toBe("error: step 1/1 (run make): exit code 2 (build_failed)\n");
  });
});

describe("logs of a build", () => {
  it.each([[ID], [ID.slice(0, 8)], [ID.slice(0, 11)]])("named %s", async (id) => {
    const replies = { [LIST]: { json: [OVER] }, [BY_ID]: log(OVER) };
    expect(await logs([id, "--from", "2"], replies)).toEqual({ exitCode: 0, stdout: TEXT, stderr: "" });
    expect(calls()).toEqual([LIST, `${BY_ID}?from=2`]);
  });

  it("are the snapshot's where no build has that id", async () => {
    const replies = { [LIST]: { json: [OVER] }, "GET /api/snapshots/cafe0123/log": log(SNAPSHOT) };
    expect(await logs(["cafe0123"], replies)).toMatchObject({ exitCode: 0, stdout: TEXT });
  });
});

describe("logs --no-follow", () => {
  it.each([["agent"], [ID]])("of a build that runs (%s) end with what is there, and say how to go on", async (what) => {
    const replies = { [LIST]: { json: [BUILD] }, [BY_ID]: log(BUILD) };
    expect(await logs([what, "--no-follow", "--from", "5"], replies)).toEqual({
      exitCode: 0,
      stdout: TEXT,
      stderr: `go on with: pulumi-opencomputer logs ${what} --from 7\n`,
    });
    expect(calls()).toEqual([LIST, `${BY_ID}?from=5&follow=0`]);
  });

  it("of a snapshot whose build is over are its own", async () => {
    const other = { ...BUILD, id: "0", name: "other" };
    const replies = { [LIST]: { json: [other, OVER] }, [BY_NAME]: log(SNAPSHOT) };
    expect(await logs(["agent", "--no-follow"], replies)).toEqual({ exitCode: 0, stdout: TEXT, stderr: "" });
  });
});

it("a log that is left or cut says how to go on", async () => {
  const cut: Reply = { ...sse(["build_log", LOG], ["build_log", LINE]), end: "cut" };
  const { exitCode, stderr } = await logs(["agent"], { [BY_NAME]: [cut, { chunks: [], end: "cut" }] });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^go on with: pulumi-opencomputer logs agent --from 2\nerror: /);
});
