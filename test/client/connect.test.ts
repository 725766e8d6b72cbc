import { afterEach, expect, it } from "vitest";
import { connect } from "../../src/client/connect";
import { packageRoot } from "../../src/client/package-root";
import { version } from "../../src/version";
import { type FakeServer, startFakeServer } from "./fake-server";

let server: FakeServer | undefined;
afterEach(() => server?.close());

it.each([
  ["options before the environment", { apiKey: "a" }, { OPENCOMPUTER_API_KEY: "b" }, "a"],
  ["the environment", {}, { OPENCOMPUTER_API_KEY: "b" }, "b"],
  ["an empty option is none", { apiKey: "" }, { OPENCOMPUTER_API_KEY: "b" }, "b"],
  ["no key", {}, {}, undefined],
])("a URL leads to that server: %s", async (_name, options, env, key) => {
  server = await startFakeServer({ "GET /api/snapshots": { json: [] } });
  const api = await connect({ ...options, env: { OPENCOMPUTER_API_URL: server.url, ...env } });
  await api.listSnapshots();
  expect(server.requests[0]?.headers["x-api-key"]).toBe(key);
});

it("refuses a URL that is none", async () => {
  await expect(connect({ apiUrl: "localhost:1", env: {} })).rejects.toMatchObject({ code: "invalid_input" });
});

it("the version is that of the package", () => {
  expect(version).toBe(require(`${packageRoot()}/package.json`).version);
});
