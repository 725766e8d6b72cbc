import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RealServer, untilTrue } from "../fixtures/real-server";
import { bodyOf, listOf } from "./test-server";

/** What is promised of sandboxes holds whenever the server is killed in the middle of a change. */
const server = new RealServer();
let id: unknown;
let checkpointId: unknown;
beforeAll(async () => {
  await server.start();
  id = (await bodyOf(await server.call("POST", "/sandboxes", {}))).sandboxID;
  await server.exec(id, "echo kept > note");
  checkpointId = await take("first");
});
afterAll(() => server.dispose());

const post = (path: string, json?: object) => server.call("POST", `/sandboxes/${id}${path}`, json);
const status = async () => (await bodyOf(await server.call("GET", `/sandboxes/${id}`))).status;
const checkpoint = async (cid: unknown) => await bodyOf(await server.call("GET", `/checkpoints/${cid}`));

async function take(name: string): Promise<unknown> {
  const { id: cid } = await bodyOf(await post("/checkpoints", { name }));
  await untilTrue(60_000, async () => (await checkpoint(cid)).status !== "processing");
  return cid;
}

/** Asks for something, and kills the server so many milliseconds later, whatever has come of it. */
async function killDuring(ask: () => Promise<unknown>, afterMs: number): Promise<void> {
  ask().catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  await server.end("SIGKILL");
  await server.start();
}

describe.each([5, 40, 120])("a server that is killed %i ms after somebody asked", (afterMs) => {
  it("to hibernate: the sandbox runs or sleeps, and has its files", async () => {
    await killDuring(() => post("/hibernate"), afterMs);
    expect(["running", "hibernated"]).toContain(await status());
    expect(await server.exec(id, "cat note")).toMatchObject({ stdout: "kept\n" });
  });

  it("to wake: the same", async () => {
    expect((await post("/hibernate")).status).toBe(200);
    await killDuring(() => post("/wake", {}), afterMs);
    expect(["running", "hibernated"]).toContain(await status());
    expect(await server.exec(id, "cat note")).toMatchObject({ stdout: "kept\n" });
  });

  it("to go back: what was promised is done", async () => {
    await server.exec(id, "echo lost > note");
    const answer = await post(`/checkpoints/${checkpointId}/restore`);
    expect(answer.status).toBe(200);
    await killDuring(async () => undefined, afterMs);
    expect(await server.exec(id, "cat note")).toMatchObject({ stdout: "kept\n" });
    expect(await bodyOf(await server.call("GET", `/sandboxes/${id}`))).toMatchObject({
      ...{ status: "running", fromCheckpointId: checkpointId },
    });
  });

  it("for a checkpoint: it is ready or has failed, and the sandbox is what it was", async () => {
    const { id: cid } = await bodyOf(await post("/checkpoints", { name: `killed-${afterMs}` }));
    await killDuring(async () => undefined, afterMs);
    const { status: end, errorMsg } = await checkpoint(cid);
    expect(end === "ready" || (end === "failed" && errorMsg !== undefined)).toBe(true);
    expect(await server.exec(id, "cat note")).toMatchObject({ stdout: "kept\n" });
    if (end !== "ready") return;
    const fork = await bodyOf(await server.call("POST", `/sandboxes/from-checkpoint/${cid}`, {}));
    expect(await server.exec(fork.sandboxID, "cat note")).toMatchObject({ stdout: "kept\n" });
    await server.call("DELETE", `/sandboxes/${fork.sandboxID}`);
  });

  it("for forks: there are none that nobody knows, and the sandbox is what it was", async () => {
    await killDuring(() => post("/fork", { count: 3 }), afterMs);
    const boxes = await listOf(await server.call("GET", "/sandboxes"));
    expect(boxes.map(({ sandboxID }) => sandboxID)).toContain(id);
    for (const { sandboxID } of boxes) {
      expect(await server.exec(sandboxID, "cat note")).toMatchObject({ stdout: "kept\n" });
      if (sandboxID !== id) await server.call("DELETE", `/sandboxes/${sandboxID}`);
    }
  });
});

it("keeps what a sandbox stands on whose checkpoint is deleted and collected", async () => {
  const fork = await bodyOf(await server.call("POST", `/sandboxes/from-checkpoint/${checkpointId}`, {}));
  await server.exec(fork.sandboxID, "true");
  await post("/hibernate");
  await server.call("DELETE", `/sandboxes/${id}/checkpoints/${checkpointId}`);
  expect((await server.call("POST", "/gc")).status).toBe(200);
  for (const sandbox of [id, fork.sandboxID]) {
    expect(await server.exec(sandbox, "cat note")).toMatchObject({ stdout: "kept\n" });
  }
});
