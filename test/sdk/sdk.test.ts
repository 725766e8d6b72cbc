import { afterEach, describe, expect, it, vi } from "vitest";
import {
  ExecTimeoutError,
  Image,
  isOpenComputerError,
  OpenComputerError,
  Sandbox,
  type SandboxOpts,
  Snapshots,
} from "../../src/sdk";
import { type FakeServer, type Replies, type Reply, startFakeServer } from "../client/fake-server";

const SANDBOX = { sandboxID: "sb-1", status: "running" };
const GONE: Reply = { status: 404, json: { error: "sandbox not found", code: "not_found" } };

let server: FakeServer | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
  server = undefined;
});

async function start(replies: Replies) {
  server = await startFakeServer({ "GET /api/sandboxes/sb-1": { json: SANDBOX }, ...replies });
  return { apiUrl: server.url, apiKey: "k" };
}

describe("Sandbox.create refuses before anything is sent", () => {
  const image = Image.base();
  it.each<[string, object, string, RegExp]>([
    ["image and snapshot together", { image, snapshot: "n" }, "invalid_input", /snapshot: cannot be given together/],
    ["something that is no image", { image: { base: "base" } }, "invalid_input", /image: must be an Image/],
    ["another template", { template: "python" }, "invalid_input", /template/],
    [
      "a wrong image, with every problem",
      { image: image.aptInstall([""]).workdir("x") },
      "invalid_input",
      /steps\[0\][\s\S]*steps\[1\]/,
    ],
    ["a network that is none", { network: "closed" }, "invalid_input", /network: /],
    ["what no server of ours does", { previewAuth: {}, webhooks: [] }, "unsupported", /previewAuth, webhooks/],
  ])("%s", async (_name, options, code, message) => {
    const where = await start({});
    const create = Sandbox.create({ ...where, ...options } as SandboxOpts);
    await expect(create).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(server?.requests).toEqual([]);
  });
});

it("the environment says which server", async () => {
  const { apiUrl } = await start({ "GET /api/snapshots": { json: [] } });
  vi.stubEnv("OPENCOMPUTER_API_URL", apiUrl);
  vi.stubEnv("OPENCOMPUTER_API_KEY", "from the environment");
  expect(await new Snapshots().list()).toEqual([]);
  expect(server?.requests[0]?.headers["x-api-key"]).toBe("from the environment");
});

describe("a sandbox that is gone", () => {
  it("is not running, cannot be killed, and may be disposed of", async () => {
    const where = await start({
      "GET /api/sandboxes/sb-1": [{ json: SANDBOX }, GONE],
      "DELETE /api/sandboxes/sb-1": GONE,
    });
    const sandbox = await Sandbox.connect("sb-1", where);
    expect(await sandbox.isRunning()).toBe(false);
    expect(sandbox.status).toBe("stopped");
    await expect(sandbox.kill()).rejects.toMatchObject({ code: "not_found" });
    await sandbox[Symbol.asyncDispose]();
  });

  it("is not the same as a server that is ill", async () => {
    const ill = { status: 500, json: { error: "oops" } };
    const where = await start({
      "GET /api/sandboxes/sb-1": [{ json: SANDBOX }, ill],
      "DELETE /api/sandboxes/sb-1": ill,
    });
    const sandbox = await Sandbox.connect("sb-1", where);
    await expect(sandbox.isRunning()).rejects.toMatchObject({ code: "internal" });
    await expect(sandbox[Symbol.asyncDispose]()).rejects.toMatchObject({ code: "internal" });
  });
});

describe("exec.run ends its wait", () => {
  const replies: Replies = {
    "POST /api/sandboxes/sb-1/exec/run-async": { status: 202, json: { execId: "e1", running: true } },
    "GET /api/sandboxes/sb-1/exec/e1/result": { json: { running: true, stdout: "", stderr: "" } },
  };
  it.each([
    ["after timeoutMs", () => ({ timeoutMs: 60 }), "timeout"],
    ["at the signal", () => ({ signal: AbortSignal.timeout(60) }), "aborted"],
    ["at the signal, with time left", () => ({ signal: AbortSignal.timeout(60), timeoutMs: 9_000 }), "aborted"],
  ])("%s", async (_name, options, code) => {
    const sandbox = await Sandbox.connect("sb-1", await start(replies));
    const error = await sandbox.exec.run("sleep 99", options()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ExecTimeoutError);
    expect(error).toBeInstanceOf(OpenComputerError);
    expect(isOpenComputerError(error)).toBe(true);
    expect(error).toMatchObject({ code, execId: "e1", name: "ExecTimeoutError" });
  });
});

describe("files.exists", () => {
  const entries = [
    { name: "f", path: "/d/f", isDir: false },
    { name: "sub", path: "/d/sub", isDir: true },
  ];
  it.each<[string, Reply, boolean]>([
    ["/d/f", { json: entries }, true],
    ["/d/sub", { json: entries }, true],
    ["/d/sub/", { json: entries }, true],
    ["/d/g", { json: entries }, false],
    ["/", { json: [] }, true],
    ["/nowhere/f", { status: 404, json: { error: "no", code: "not_found" } }, false],
    ["/file/f", { status: 400, json: { error: "no", code: "invalid_input" } }, false],
  ])("%s", async (path, reply, expected) => {
    const { files } = await Sandbox.connect("sb-1", await start({ "GET /api/sandboxes/sb-1/files/list": reply }));
    expect(await files.exists(path)).toBe(expected);
  });

  it("does not guess", async () => {
    const gone: Reply = { status: 410, json: { error: "stopped", code: "gone" } };
    const { files } = await Sandbox.connect("sb-1", await start({ "GET /api/sandboxes/sb-1/files/list": gone }));
    await expect(files.exists("/f")).rejects.toMatchObject({ code: "gone" });
  });
});

it("files.write takes streams", async () => {
  const { files } = await Sandbox.connect("sb-1", await start({ "PUT /api/sandboxes/sb-1/files": { status: 204 } }));
  await files.write("/f", new Blob(["from the web"]).stream());
  expect(server?.requests.at(-1)?.body.toString()).toBe("from the web");
});

describe("waitUntilReady", () => {
  const building = { id: "1", name: "n", status: "building", contentHash: "h", manifest: {}, createdAt: "" };
  const wait = async (replies: Reply[], options = {}) =>
    new Snapshots(await start({ "GET /api/snapshots/n": replies })).waitUntilReady("n", {
      pollIntervalMs: 1,
      ...options,
    });

  it("takes one that is not there yet for one that is being built", async () => {
    expect(await wait([GONE, { json: building }, { json: { ...building, status: "ready" } }])).toMatchObject({
      status: "ready",
    });
  });

  it.each<[string, Reply, object, object]>([
    [
      "fails with the build's reason",
      { json: { ...building, status: "failed", error: "step 2" } },
      {},
      { code: "build_failed", message: /step 2/ },
    ],
    ["ends after timeoutMs", { json: building }, { timeoutMs: 30 }, { code: "timeout", message: /30 ms/ }],
    [
      "ends at the signal",
      { json: building },
      { signal: AbortSignal.timeout(200), pollIntervalMs: 9_000 },
      { code: "aborted" },
    ],
    [
      "does not wait for a server that says no",
      { status: 401, json: { error: "bad key" } },
      {},
      { code: "unauthorized" },
    ],
  ])("%s", async (_name, reply, options, { message, ...expected }: { message?: RegExp }) => {
    const error = message ? { ...expected, message: expect.stringMatching(message) } : expected;
    await expect(wait([reply], options)).rejects.toMatchObject(error);
  });
});

describe("fork", () => {
  it("gives each sandbox a result of its own", async () => {
    const results = [
      { sandbox: { ...SANDBOX, sandboxID: "sb-2" } },
      { error: "no room for another sandbox", code: "unavailable" },
    ];
    const sandbox = await Sandbox.connect("sb-1", await start({ "POST /api/sandboxes/sb-1/fork": { json: results } }));
    const [first, second, ...others] = await sandbox.fork(2, { kind: "full", envs: { ROLE: "worker" }, timeout: 60 });
    expect(first?.sandbox?.sandboxId).toBe("sb-2");
    expect(second?.error).toBeInstanceOf(OpenComputerError);
    expect(second?.error).toMatchObject({ code: "unavailable", message: "no room for another sandbox" });
    expect(others).toEqual([]);
    const body = JSON.parse(server?.requests.at(-1)?.body.toString() ?? "");
    expect(body).toEqual({ count: 2, kind: "full", envs: { ROLE: "worker" }, timeout: 60 });
  });
});

describe("createFromCheckpoint", () => {
  const from = (json: object): Replies => ({ "POST /api/sandboxes/from-checkpoint/cp-1": { status: 201, json } });
  const tags = { team: "core" };

  it("says what is put on top", async () => {
    const where = await start(from({ ...SANDBOX, tags }));
    await Sandbox.createFromCheckpoint("cp-1", { ...where, tags, metadata: { m: "x" }, memoryMB: 2048 });
    const [sent, ...others] = server?.requests ?? [];
    expect(JSON.parse(sent?.body.toString() ?? "")).toEqual({ tags, metadata: { m: "x" }, memoryMB: 2048 });
    expect(others).toEqual([]);
  });

  it("sets tags afterwards where the server takes none with it", async () => {
    const where = await start({ ...from(SANDBOX), "PUT /api/sandboxes/sb-1/tags": { json: { tags } } });
    await Sandbox.createFromCheckpoint("cp-1", { ...where, tags });
    expect(server?.requests.at(-1)).toMatchObject({ call: "PUT /api/sandboxes/sb-1/tags" });
  });
});

describe("checkpoints refuse before anything is sent", () => {
  it.each<[string, (sandbox: Sandbox, where: object) => Promise<unknown>]>([
    ["promoteToFull", (sandbox) => sandbox.createCheckpoint("n", { promoteToFull: true } as object)],
    [
      "secretStore",
      (_sandbox, where) => Sandbox.createFromCheckpoint("cp-1", { ...where, secretStore: "s" } as object),
    ],
    ["secretStore", (sandbox) => sandbox.fork(1, { secretStore: "s" } as object)],
  ])("%s", async (name, call) => {
    const where = await start({});
    const sandbox = await Sandbox.connect("sb-1", where);
    const refusal = { code: "unsupported", message: expect.stringContaining(name) };
    await expect(call(sandbox, where)).rejects.toMatchObject(refusal);
    expect(server?.requests).toHaveLength(1);
  });
});

describe("waitForCheckpoint", () => {
  const made = { id: "cp-1", sandboxId: "sb-1", name: "n", kind: "disk_only", createdAt: "" };
  const processing = { ...made, status: "processing", sizeBytes: 0 };
  const wait = async (replies: Reply[], options = {}) => {
    const sandbox = await Sandbox.connect("sb-1", await start({ "GET /api/sandboxes/sb-1/checkpoints": replies }));
    return sandbox.waitForCheckpoint("cp-1", { pollIntervalMs: 1, ...options });
  };

  it("looks until it is ready", async () => {
    const ready = { ...made, status: "ready", sizeBytes: 7 };
    expect(await wait([{ json: [processing] }, { json: [ready, { ...processing, id: "cp-0" }] }])).toEqual(ready);
  });

  it.each<[string, Reply, object, object]>([
    [
      "fails with its reason",
      { json: [{ ...processing, status: "failed", errorMsg: "disk full" }] },
      {},
      { code: "internal", message: expect.stringMatching(/checkpoint n of sandbox sb-1 failed: disk full/) },
    ],
    ["does not wait for one that is not there", { json: [] }, {}, { code: "not_found" }],
    ["ends after timeoutMs", { json: [processing] }, { timeoutMs: 30 }, { code: "timeout" }],
    [
      "ends at the signal",
      { json: [processing] },
      { signal: AbortSignal.timeout(100), pollIntervalMs: 9_000 },
      { code: "aborted" },
    ],
  ])("%s", async (_name, reply, options, error) => {
    await expect(wait([reply], options)).rejects.toMatchObject(error);
  });
});
