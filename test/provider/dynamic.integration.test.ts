import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BlobSpool } from "../../provider/blob-spool";
import { providerText } from "../../provider/dynamic";
import { Image } from "../../src/image/image";
import { DynamicProcess } from "./dynamic-process";
import { openStage, type Stage } from "./stage";

/** What only the dynamic host does; what every host does is in conformance.ts. */
const URN = "urn:pulumi:dev::p::pulumi-nodejs:dynamic/opencomputer:Snapshot::agent";
let stage: Stage;
let provider: DynamicProcess;

beforeAll(async () => {
  stage = await openStage();
  provider = await DynamicProcess.start("snapshot", stage.env);
});

afterAll(async () => {
  provider?.close();
  await stage?.close();
});

const image = () =>
  Image.base().runCommands("print hello").addLocalFile(join(stage.dir, "tool.sh"), "/workspace/tool.sh");

it("keeps one constant line in the state, for ever", () => {
  expect(providerText).toEqual({
    snapshot: 'exports.handler = () => require("pulumi-opencomputer/provider").snapshot;',
    sandbox: 'exports.handler = () => require("pulumi-opencomputer/provider").sandbox;',
    checkpoint: 'exports.handler = () => require("pulumi-opencomputer/provider").checkpoint;',
  });
});

it("names a file that changed between preview and up", async () => {
  writeFileSync(join(stage.dir, "tool.sh"), "echo before\n");
  const { manifest, findBlob } = image().resolve();
  await new BlobSpool(stage.dir).note(manifest, findBlob);
  const { inputs } = await provider.check({}, { __source: JSON.stringify({ urn: URN, manifest }) });
  writeFileSync(join(stage.dir, "tool.sh"), "echo after\n");
  await expect(provider.create(inputs)).rejects.toThrow(/tool\.sh.*changed/s);
});
