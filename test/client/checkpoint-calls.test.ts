import { afterEach, describe, expect, it } from "vitest";
import type { ServerApi } from "../../src/api/contract";
import { createClient } from "../../src/client/client";
import { type FakeServer, type Replies, startFakeServer } from "./fake-server";

const SANDBOX = { sandboxID: "sb-1", status: "running" };
const CHECKPOINT = {
  ...{ id: "cp-1", sandboxId: "sb-1", name: "n", kind: "disk_only", status: "ready", sizeBytes: 3, createdAt: "" },
};
const NOT_FOUND = { status: 404, json: { error: "checkpoint not found: cp-1" } } as const;
const RESTORE = "POST /api/sandboxes/sb-1/checkpoints/cp-1/restore";
const BEGUN = { json: { sandboxId: "sb-1", checkpointId: "cp-1", status: "restoring" } };

let server: FakeServer;
afterEach(() => server?.close());

async function connect(replies: Replies) {
  server = await startFakeServer(replies);
  return createClient({ apiUrl: server.url, retry: { attempts: 1, baseDelayMs: 1 } });
}

const calls = () => server.requests.map((request) => request.call);

describe("calls", () => {
  const table: [string, (api: ServerApi) => Promise<unknown>, unknown, unknown][] = [
    [
      "POST /api/sandboxes/sb-1/hibernate",
      (api) => api.hibernateSandbox("sb-1"),
      undefined,
      { sandboxID: "sb-1", status: "hibernated", kind: "full", sizeBytes: 3 },
    ],
    ["POST /api/sandboxes/sb-1/wake", (api) => api.wakeSandbox("sb-1"), {}, SANDBOX],
    ["POST /api/sandboxes/sb-1/wake", (api) => api.wakeSandbox("sb-1", 0), { timeout: 0 }, SANDBOX],
    [
      "POST /api/sandboxes/sb-1/checkpoints",
      (api) => api.createCheckpoint("sb-1", { name: "n", kind: "disk_only" }),
      { name: "n", kind: "disk_only" },
      CHECKPOINT,
    ],
    ["GET /api/sandboxes/sb-1/checkpoints", (api) => api.listCheckpoints("sb-1"), undefined, [CHECKPOINT]],
    ["GET /api/checkpoints", (api) => api.listAllCheckpoints(), undefined, [CHECKPOINT]],
    ["GET /api/checkpoints/cp-1", (api) => api.getCheckpoint("cp-1"), undefined, CHECKPOINT],
    [
      "POST /api/sandboxes/from-checkpoint/cp-1",
      (api) => api.createSandboxFromCheckpoint("cp-1", { envs: { A: "1" } }),
      { envs: { A: "1" } },
      { ...SANDBOX, fromCheckpointId: "cp-1" },
    ],
    [
      "POST /api/sandboxes/sb-1/fork",
      (api) => api.forkSandbox("sb-1", { count: 2 }),
      { count: 2 },
      [{ sandbox: SANDBOX }, { error: "no room", code: "unavailable" }],
    ],
  ];
  it.each(table)("%s (%s)", async (call, run, body, answer) => {
    const api = await connect({ [call]: { json: answer } });
    expect(await run(api)).toEqual(answer);
    const text = server.requests[0]?.body.toString();
    expect(text === "" ? undefined : JSON.parse(text ?? "")).toEqual(body);
    expect(calls()).toEqual([call]);
  });
});

describe("a list", () => {
  it("that is null is empty", async () => {
    const api = await connect({ "GET /api/sandboxes/sb-1/checkpoints": { json: null } });
    expect(await api.listCheckpoints("sb-1")).toEqual([]);
  });
});

describe("a checkpoint that is gone", () => {
  it("is deleted", async () => {
    const api = await connect({ "DELETE /api/sandboxes/sb-1/checkpoints/cp-1": NOT_FOUND });
    await api.deleteCheckpoint("sb-1", "cp-1");
    expect(calls()).toHaveLength(1);
  });

  it("is not the same as a server that is ill", async () => {
    const api = await connect({
      "DELETE /api/sandboxes/sb-1/checkpoints/cp-1": { status: 500, json: { error: "oops" } },
    });
    await expect(api.deleteCheckpoint("sb-1", "cp-1")).rejects.toMatchObject({ code: "internal" });
  });

  it("is restored by nobody", async () => {
    const api = await connect({ [RESTORE]: NOT_FOUND });
    await expect(api.restoreCheckpoint("sb-1", "cp-1")).rejects.toMatchObject({ code: "not_found" });
    expect(calls()).toEqual([RESTORE]);
  });
});

describe("a restore", () => {
  const being = (status: string) => ({ json: { ...SANDBOX, status } });

  it("is over when the sandbox runs again", async () => {
    const looks = [being("restoring"), being("hibernated"), being("running")];
    const api = await connect({ [RESTORE]: BEGUN, "GET /api/sandboxes/sb-1": looks });
    expect(await api.restoreCheckpoint("sb-1", "cp-1")).toEqual(SANDBOX);
    expect(calls()).toEqual([RESTORE, ...looks.map(() => "GET /api/sandboxes/sb-1")]);
  });

  it.each(["stopped", "error", "failed"])("that left it %s is an error", async (status) => {
    const api = await connect({ [RESTORE]: BEGUN, "GET /api/sandboxes/sb-1": being(status) });
    const error = { code: "gone", message: expect.stringContaining(`and is ${status}`) };
    await expect(api.restoreCheckpoint("sb-1", "cp-1")).rejects.toMatchObject(error);
  });

  it("is not waited for any longer than the caller waits", async () => {
    const api = await connect({ [RESTORE]: BEGUN, "GET /api/sandboxes/sb-1": being("restoring") });
    const signal = AbortSignal.timeout(80);
    await expect(api.restoreCheckpoint("sb-1", "cp-1", { signal })).rejects.toMatchObject({ code: "aborted" });
  });
});
