import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OpenComputerError } from "../../src/errors";
import { bodyOf, createTestServer, type TestServer } from "./test-server";

const REASON = "was over its disk quota of 64 MB: it held 91 MB";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const create = (json: object) => server.request("POST", "/api/sandboxes", { json });
const createId = async (json: object) => String((await bodyOf(await create(json))).sandboxID);
const get = async (id: string) => bodyOf(await server.request("GET", `/api/sandboxes/${id}`));
const exec = (id: string, cmd: string) =>
  server.request("POST", `/api/sandboxes/${id}/exec/run`, { json: { cmd, timeout: 5 } });

describe("a sandbox's disk quota", () => {
  it.each([
    ["as it says", { diskMB: 1024 }, 1024],
    ["the engine's, where it does not say", {}, undefined],
  ])("is %s", async (_, json, diskMB) => {
    const id = await createId(json);
    expect(server.engine.sandboxes.get(id)?.spec.diskMB).toBe(diskMB);
    expect((await get(id)).diskMB).toBe(diskMB);
  });

  it.each([63, 262_145, 100.5, "1024"])("is not %s", async (diskMB) => {
    const answer = await create({ diskMB });
    expect(answer.status).toBe(400);
    expect((await bodyOf(answer)).error).toContain("diskMB");
  });

  it("is that of the checkpoint's source for what starts from it", async () => {
    const id = await createId({ diskMB: 1024 });
    const path = `/api/sandboxes/${id}/checkpoints`;
    const { id: checkpoint } = await bodyOf(await server.request("POST", path, { json: { name: "a" } }));
    const fork = await bodyOf(
      await server.request("POST", `/api/sandboxes/from-checkpoint/${checkpoint}`, { json: {} }),
    );
    expect(server.engine.sandboxes.get(String(fork.sandboxID))?.spec.diskMB).toBe(1024);
  });
});

describe("a sandbox that the engine ended", () => {
  let id: string;
  beforeEach(async () => {
    id = await createId({});
    server.engine.stopReasons.set(id, REASON);
  });

  it("tells why to whoever runs a command, and in its record", async () => {
    server.engine.sandboxes.delete(id);
    const answer = await exec(id, "echo hi");
    expect(answer.status).toBe(410);
    expect(await bodyOf(answer)).toMatchObject({
      code: "gone",
      error: `sandbox ${id} is stopped: it ${REASON}; create a new one`,
    });
    server.engine.stopReasons.clear();
    expect(await get(id)).toMatchObject({ status: "stopped", stopReason: REASON });
    expect((await bodyOf(await exec(id, "echo hi"))).error).toContain(REASON);
  });

  it("tells it to the command that ended with it, on a line of its own", async () => {
    expect(await bodyOf(await exec(id, "fail -1"))).toMatchObject({
      exitCode: -1,
      stderr: `Sandbox stopped: it ${REASON}\n`,
    });
  });
});

it("a disk that is nearly full is 507", async () => {
  server.engine.failCreate = new OpenComputerError("insufficient_storage", "the disk has only 3 MB left");
  const answer = await create({});
  expect(answer.status).toBe(507);
  expect(await bodyOf(answer)).toMatchObject({ code: "insufficient_storage", error: "the disk has only 3 MB left" });
});
