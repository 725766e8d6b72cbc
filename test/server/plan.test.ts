import { afterEach, beforeEach, expect, it } from "vitest";
import { contentHash } from "../../src/image/hash";
import { createTestServer, image, type TestServer } from "./test-server";

interface PlanBody {
  readonly cached: number;
  readonly keys: readonly string[];
  readonly details: { readonly problems: readonly unknown[] };
}

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const plan = async (manifest: unknown) => {
  const answer = await server.request("POST", "/api/plan", { json: { image: manifest } });
  return { status: answer.status, body: (await answer.json()) as PlanBody };
};

it("tells what is built already, and builds nothing", async () => {
  const before = await plan(image("print a", "print b"));
  expect(before).toMatchObject({
    status: 200,
    body: { cached: 0, contentHash: contentHash(image("print a", "print b")) },
  });
  expect(before.body.keys).toHaveLength(2);
  expect(server.engine.buildsRun).toBe(0);
  await server.request("POST", "/api/snapshots", { json: { name: "a", image: image("print a") } });
  expect((await plan(image("print a", "print b"))).body.cached).toBe(1);
});

it("asks for no bytes and keeps none", async () => {
  const file = { type: "add_file", args: { path: "/a", content: "aGk=", encoding: "base64" } };
  expect((await plan({ base: "base", steps: [file] })).status).toBe(200);
  const digest = `sha256:${"1".repeat(64)}`;
  expect((await plan({ base: "base", steps: [{ type: "add_file", args: { path: "/a", digest } }] })).status).toBe(200);
});

it("refuses what is no image, with all problems", async () => {
  const { status, body } = await plan({
    base: "base",
    steps: [
      { type: "fly", args: {} },
      { type: "run", args: {} },
    ],
  });
  expect(status).toBe(400);
  expect(body.details.problems).toHaveLength(2);
});
