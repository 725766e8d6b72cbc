import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeServer, type Replies, type Reply, startFakeServer } from "../client/fake-server";
import { runCommandLine } from "./fake-terminal";

const SANDBOX = { sandboxID: "sb-1", status: "running" };
const READY = {
  ...{ id: "c0ffee01", sandboxId: "sb-1", name: "before", kind: "disk_only", status: "ready", sizeBytes: 5_242_880 },
  createdAt: "2026-05-04T10:20:30.123Z",
};
const MAKING = { ...READY, id: "c0ffee02", name: "a/b:c", kind: "full", status: "processing", sizeBytes: 0 };
const FAILED = { ...MAKING, id: "c0ffee03", sandboxId: "sb-2", status: "failed", errorMsg: "disk full\nat line 1" };
const NOT_FOUND: Reply = { status: 404, json: { error: "sandbox not found: sb-9", code: "not_found" } };
const LIST: Replies = { "GET /api/sandboxes/sb-1/checkpoints": { json: [READY, MAKING] } };

let dir: string;
let server: FakeServer | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-checkpoints-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

async function run(args: readonly string[], replies?: Replies) {
  if (replies) server = await startFakeServer(replies);
  const env = { OPENCOMPUTER_HOME: join(dir, "home") };
  return runCommandLine(args, { env, ...(server ? { url: server.url } : {}) });
}
const calls = () => server?.requests.map(({ call }) => call);
const sent = () => JSON.parse(server?.requests.at(-1)?.body.toString() ?? "");
const json = (stdout: string) => JSON.parse(stdout);

describe("checkpoint", () => {
  const begun: Replies = {
    "POST /api/sandboxes/sb-1/checkpoints": { status: 201, json: { ...READY, status: "processing" } },
  };

  it.each([
    [[], { name: "before", kind: "disk_only" }],
    [["--full"], { name: "before", kind: "full" }],
  ])("begins one, %j", async (options, body) => {
    const outcome = await run(["checkpoint", "sb-1", "--name", "before", ...options], begun);
    expect(outcome).toEqual({
      exitCode: 0,
      stdout: "before c0ffee01\n",
      stderr: "sb-1/before (disk_only) is being kept; see: pulumi-opencomputer checkpoints sb-1\n",
    });
    expect(sent()).toEqual(body);
  });

  it("waits for it", async () => {
    const looks = [{ json: [{ ...READY, status: "processing" }] }, { json: [READY] }];
    const replies = { ...begun, "GET /api/sandboxes/sb-1/checkpoints": looks };
    const args = ["checkpoint", "sb-1", "--name", "before", "--wait"];
    const outcome = await run(args, replies);
    expect(outcome).toEqual({
      exitCode: 0,
      stdout: "before c0ffee01\n",
      stderr: "kept sb-1/before (disk_only, 5.0 MiB)\n",
    });
    expect(json((await run([...args, "--json"])).stdout)).toEqual(READY);
  });

  it("tells why it failed", async () => {
    const failed = { json: [{ ...READY, status: "failed", errorMsg: "disk full" }] };
    const replies = { ...begun, "GET /api/sandboxes/sb-1/checkpoints": failed };
    expect(await run(["checkpoint", "sb-1", "--name", "before", "--wait"], replies)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("checkpoint before of sandbox sb-1 failed: disk full"),
    });
  });
});

describe("lists", () => {
  it("of a sandbox", async () => {
    const { stdout } = await run(["checkpoints", "sb-1"], LIST);
    expect(stdout.split("\n")).toEqual([
      "CHECKPOINT   KIND       STATUS      SIZE     CREATED            ID",
      "sb-1/before  disk_only  ready       5.0 MiB  2026-05-04T10:20Z  c0ffee01",
      "sb-1/a/b:c   full       processing  -        2026-05-04T10:20Z  c0ffee02",
      "",
    ]);
    expect(json((await run(["checkpoints", "sb-1", "--json"])).stdout)).toEqual([READY, MAKING]);
  });

  it("of all sandboxes, with what went wrong", async () => {
    const { stdout } = await run(["ls", "--checkpoints"], { "GET /api/checkpoints": { json: [FAILED] } });
    expect(stdout.split("\n")).toEqual([
      "CHECKPOINT  KIND  STATUS  SIZE  CREATED            ID        ERROR",
      "sb-2/a/b:c  full  failed  -     2026-05-04T10:20Z  c0ffee03  disk full",
      "",
    ]);
    expect(json((await run(["ls", "--checkpoints", "--json"])).stdout)).toEqual({ checkpoints: [FAILED] });
  });

  it.each(["--builds", "--label=a=b"])("of one thing only: not with %s", async (option) => {
    expect(await run(["ls", "--checkpoints", option])).toMatchObject({ exitCode: 2, stdout: "" });
  });

  it("show what sleeps and what is kept warm", async () => {
    const snapshot = { id: "1", name: "agent", status: "ready", contentHash: "abc", manifest: {}, createdAt: "" };
    const { stdout } = await run(["ls"], {
      "GET /api/snapshots": { json: [{ ...snapshot, warmPool: 4 }] },
      "GET /api/sandboxes": { json: [{ ...SANDBOX, status: "hibernated" }] },
    });
    expect(stdout).toMatch(/ WARM +CREATED .*\nagent .* 4 /);
    expect(stdout).toMatch(/\nsb-1 +hibernated /);
  });
});

describe("restore", () => {
  const replies: Replies = {
    ...LIST,
    "POST /api/sandboxes/sb-1/checkpoints/c0ffee01/restore": { json: { status: "restoring" } },
    "GET /api/sandboxes/sb-1": { json: SANDBOX },
  };
  it.each(["before", "c0ffee01", "sb-1/before"])("takes %s", async (name) => {
    const outcome = await run(["restore", "sb-1", name], replies);
    expect(outcome).toEqual({ exitCode: 0, stdout: "sb-1 is back at before\n", stderr: "" });
    expect(json((await run(["restore", "sb-1", name, "--json"])).stdout)).toEqual(SANDBOX);
  });

  it("says where to look for what is not there", async () => {
    expect(await run(["restore", "sb-1", "never"], replies)).toEqual({
      exitCode: 1,
      stdout: "",
      stderr:
        "error: checkpoint not found: never of sandbox sb-1 (not_found)\nhint: see what there is with: pulumi-opencomputer checkpoints sb-1\n",
    });
  });
});

describe("fork", () => {
  const FORK = "POST /api/sandboxes/sb-1/fork";
  const both = [{ sandbox: { ...SANDBOX, sandboxID: "sb-2" } }, { error: "no room", code: "unavailable" }];
  const made = { status: 201, json: { ...SANDBOX, sandboxID: "sb-3" } } as const;
  const FROM = "POST /api/sandboxes/from-checkpoint/c0ffee01";

  it.each([
    [[], { count: 1 }],
    [["--count", "3", "--full"], { count: 3, kind: "full" }],
    [["--disk-only", "-e", "A=1", "--timeout", "60"], { count: 1, kind: "disk_only", envs: { A: "1" }, timeout: 60 }],
  ])("%j of a sandbox", async (options, body) => {
    const outcome = await run(["fork", "sb-1", ...options], { [FORK]: { json: [both[0]] } });
    expect(outcome).toEqual({ exitCode: 0, stdout: "sb-2\n", stderr: "" });
    expect(sent()).toEqual(body);
  });

  it("tells which could not be started", async () => {
    const args = ["fork", "sb-1", "--count", "2"];
    expect(await run(args, { [FORK]: { json: both } })).toEqual({
      exitCode: 1,
      stdout: "sb-2\n",
      stderr: "error: no room (unavailable)\n1 sandbox of 2 not started\n",
    });
    const { exitCode, stdout } = await run([...args, "--json"]);
    expect({ exitCode, results: json(stdout) }).toEqual({ exitCode: 1, results: both });
  });

  it.each(["sb-1/before", "sb-1/c0ffee01"])("of the checkpoint %s", async (source) => {
    const outcome = await run(["fork", source, "--count", "2", "-e", "A=1"], { ...LIST, [FROM]: made });
    expect(outcome).toEqual({ exitCode: 0, stdout: "sb-3\nsb-3\n", stderr: "" });
    expect(sent()).toEqual({ envs: { A: "1" } });
  });

  it("of a checkpoint tells which could not be started, too", async () => {
    const refused = { status: 503, json: { error: "no room", code: "unavailable" } } as const;
    const outcome = await run(["fork", "sb-1/before", "--count", "2"], { ...LIST, [FROM]: [made, refused] });
    expect(outcome).toMatchObject({ exitCode: 1, stdout: "sb-3\n", stderr: expect.stringContaining("1 sandbox of 2") });
  });

  it("keeps of a checkpoint what was kept", async () => {
    expect(await run(["fork", "sb-1/before", "--full"])).toMatchObject({ exitCode: 2, stdout: "" });
  });
});

describe("sleep", () => {
  const HIBERNATE = "POST /api/sandboxes/sb-1/hibernate";
  const asleep = { sandboxID: "sb-1", status: "hibernated" };
  it.each([
    [{}, "sb-1 is hibernated\n"],
    [{ kind: "disk_only" }, "sb-1 is hibernated; files are kept, processes have ended\n"],
    [{ kind: "full", sizeBytes: 5_242_880 }, "sb-1 is hibernated; files, memory and processes are kept (5.0 MiB)\n"],
  ])("of %j", async (answer, stdout) => {
    const info = { ...asleep, ...answer };
    expect(await run(["hibernate", "sb-1"], { [HIBERNATE]: { json: info } })).toEqual({
      exitCode: 0,
      stdout,
      stderr: "",
    });
    expect(json((await run(["hibernate", "sb-1", "--json"])).stdout)).toEqual(info);
  });

  it.each([
    [[], {}],
    [["--timeout", "0"], { timeout: 0 }],
  ])("ends by wake, %j", async (options, body) => {
    const outcome = await run(["wake", "sb-1", ...options], { "POST /api/sandboxes/sb-1/wake": { json: SANDBOX } });
    expect(outcome).toEqual({ exitCode: 0, stdout: "sb-1 is running\n", stderr: "" });
    expect(sent()).toEqual(body);
    expect(json((await run(["wake", "sb-1", "--json"])).stdout)).toEqual(SANDBOX);
  });
});

describe("rm", () => {
  const lists: Replies = {
    ...LIST,
    "GET /api/snapshots": { json: [] },
    "GET /api/sandboxes": { json: [SANDBOX] },
    "GET /api/sandboxes/sb-9/checkpoints": NOT_FOUND,
    "GET /api/checkpoints": { json: [READY, FAILED] },
    "DELETE /api/sandboxes/sb-1": { status: 204 },
    "DELETE /api/sandboxes/sb-1/checkpoints/c0ffee01": { status: 204 },
    "DELETE /api/sandboxes/sb-1/checkpoints/c0ffee02": { status: 204 },
    "DELETE /api/sandboxes/sb-2/checkpoints/c0ffee03": { status: 204 },
  };
  const deletes = () => calls()?.filter((call) => call.startsWith("DELETE"));

  it("takes checkpoints by name and by id, and says which were not there", async () => {
    const args = ["rm", "sb-1/a/b:c", "sb-1/c0ffee01", "sb-1/never", "sb-9/before"];
    expect(await run(args, lists)).toEqual({
      exitCode: 0,
      stdout: [
        "removed checkpoint sb-1/a/b:c",
        "removed checkpoint sb-1/c0ffee01",
        "sb-1/never: was not there",
        "sb-9/before: was not there",
        "",
      ].join("\n"),
      stderr: "",
    });
    expect(deletes()).toEqual([
      "DELETE /api/sandboxes/sb-1/checkpoints/c0ffee02",
      "DELETE /api/sandboxes/sb-1/checkpoints/c0ffee01",
    ]);
  });

  it("leaves the checkpoints of a sandbox", async () => {
    await run(["rm", "sb-1"], lists);
    expect(deletes()).toEqual(["DELETE /api/sandboxes/sb-1"]);
  });

  it("--all takes them all", async () => {
    const { stdout } = await run(["rm", "--all", "--json"], lists);
    expect(json(stdout)).toEqual([
      { name: "sb-1", kind: "sandbox" },
      { name: "sb-1/before", kind: "checkpoint" },
      { name: "sb-2/a/b:c", kind: "checkpoint" },
    ]);
  });
});

it("status says what checkpoints keep", async () => {
  const info = { version: "1", engine: "local", runtime: "runsc", runtimeVersion: "2", base: "b", baseDigest: "d" };
  server = await startFakeServer({ "GET /api/info": { json: { ...info, checkpointKinds: ["disk_only", "full"] } } });
  const { stdout } = await runCommandLine(["status"], { env: { OPENCOMPUTER_API_URL: server.url } });
  expect(stdout).toContain("\nkeeps    disk_only and full checkpoints\n");
});
