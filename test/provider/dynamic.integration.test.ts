import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerType, serve } from "@hono/node-server";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BlobSpool } from "../../provider/blob-spool";
import { UNKNOWN } from "../../provider/context";
import { providerText } from "../../provider/dynamic";
import { Image } from "../../src/image/image";
import { createTestServer, type TestServer } from "../server/test-server";
import { DynamicProcess } from "./dynamic-process";

/** The resources inside Pulumi's own provider process, over the real wire to the real server (with an engine that only pretends). */
const URN = "urn:pulumi:dev::p::pulumi-nodejs:dynamic/opencomputer:Snapshot::agent";
let dir: string;
let server: TestServer;
let http: ServerType;
let provider: DynamicProcess;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "oc-dynamic-"));
  server = await createTestServer();
  http = await new Promise<ServerType>((resolve) => {
    const listening: ServerType = serve({ fetch: server.app.fetch, hostname: "127.0.0.1", port: 0 }, () =>
      resolve(listening),
    );
  });
  provider = await DynamicProcess.start("snapshot", {
    OPENCOMPUTER_API_URL: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    OPENCOMPUTER_API_KEY: server.keys.a,
    OPENCOMPUTER_CACHE: dir,
  });
});

afterAll(async () => {
  provider?.close();
  http?.close();
  await server?.close();
  rmSync(dir, { recursive: true, force: true });
});

const image = () => Image.base().runCommands("print hello").addLocalFile(join(dir, "tool.sh"), "/workspace/tool.sh");

it("keeps one constant line in the state, for ever", () => {
  expect(providerText).toEqual({
    snapshot: 'exports.handler = () => require("pulumi-opencomputer/provider").snapshot;',
    sandbox: 'exports.handler = () => require("pulumi-opencomputer/provider").sandbox;',
  });
});

it("lives: check, create with its log on its own row, read, diff, delete", async () => {
  writeFileSync(join(dir, "tool.sh"), "echo tool\n");
  const { manifest, contentHash, findBlob } = image().resolve();
  await new BlobSpool(dir).note(manifest, findBlob);
  const { inputs, failures } = await provider.check({}, { __source: JSON.stringify({ urn: URN, manifest }) });
  expect({ failures, hash: inputs["contentHash"] }).toEqual({ failures: [], hash: contentHash });

  const { id, outs } = await provider.create(inputs);
  expect(outs).toMatchObject({ contentHash, record: { status: "ready" } });
  expect(provider.lines.length).toBeGreaterThan(0);
  expect(provider.lines.every((line) => line.urn === URN)).toBe(true);

  expect(await provider.diff(id, outs, inputs)).toMatchObject({ changes: 1, replaces: [] });
  expect(await provider.read(id, outs)).toMatchObject({ id, props: { contentHash } });
  await provider.delete(id, outs);
  expect((await provider.read(id, outs)).id).toBe("");
});

it("leaves the unknown unknown", async () => {
  const { inputs } = await provider.check({}, { __source: UNKNOWN });
  expect(inputs).toMatchObject({ contentHash: UNKNOWN, name: UNKNOWN });
  expect(await provider.diff("id", { contentHash: "a", name: "b" }, inputs)).toMatchObject({
    changes: 2,
    replaces: ["contentHash", "name"],
  });
});

it("names a file that changed between preview and up", async () => {
  writeFileSync(join(dir, "tool.sh"), "echo before\n");
  const { manifest, findBlob } = image().resolve();
  await new BlobSpool(dir).note(manifest, findBlob);
  const { inputs } = await provider.check({}, { __source: JSON.stringify({ urn: URN, manifest }) });
  writeFileSync(join(dir, "tool.sh"), "echo after\n");
  await expect(provider.create(inputs)).rejects.toThrow(/tool\.sh.*changed/s);
});

it("shows the reason of a failed build", async () => {
  const { inputs } = await provider.check(
    {},
    { __source: JSON.stringify({ urn: URN, manifest: Image.base().runCommands("fail").toJSON() }) },
  );
  await expect(provider.create(inputs)).rejects.toThrow(/step 1/);
});
