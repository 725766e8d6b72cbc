import { z } from "zod";
import { builderMemorySchema } from "../../src/image/manifest";
import { stepSchema } from "../../src/image/step";
import { checkpointInputsSchema } from "../checkpoint";
import { sandboxInputsSchema } from "../sandbox";
import { snapshotInputsSchema } from "../snapshot";
import * as texts from "./descriptions";
import { localStepSchema } from "./image-input";
import { getSnapshotArgsSchema, listSnapshotsArgsSchema } from "./invoke";
import { type PropertySpec, SchemaTypes } from "./schema-types";

/** The package in Pulumi's schema language: what SDKs of other languages are generated from. */
export type PackageSchema = Readonly<Record<string, unknown>> & { readonly version: string };

/** Makes the schema from the very schemas that inputs are checked with. */
export function createPackageSchema(version: string): PackageSchema {
  const types = new SchemaTypes(texts.MEMBERS);
  const resources = {
    "opencomputer:index:Snapshot": describeSnapshot(types),
    "opencomputer:index:Sandbox": describeSandbox(types),
    "opencomputer:index:Checkpoint": describeCheckpoint(types),
  };
  const functions = {
    "opencomputer:index:getSnapshot": describeGetSnapshot(types),
    "opencomputer:index:listSnapshots": describeListSnapshots(types),
  };
  const config = describeConfig(types);
  return {
    name: "opencomputer",
    displayName: "OpenComputer",
    version,
    description: "Sandbox images for AI agents as code: built once, step by step, and started as sandboxes.",
    keywords: ["sandbox", "agents", "image", "snapshot", "kind/native"],
    license: "Apache-2.0",
    meta: { moduleFormat: "(.*)" },
    language: LANGUAGES,
    config: { variables: config },
    provider: { description: "Where the server is, and what its resources have in common.", inputProperties: config },
    types: types.types,
    resources,
    functions,
  };
}

/** Names of the SDKs that `pulumi package gen-sdk` makes; the TypeScript package itself has the dynamic resources. */
const LANGUAGES = {
  nodejs: { packageName: "pulumi-opencomputer-native", respectSchemaVersion: true },
  python: { packageName: "pulumi_opencomputer", respectSchemaVersion: true, pyproject: { enabled: true } },
  go: { respectSchemaVersion: true, generateResourceContainerTypes: true },
  csharp: { rootNamespace: "Pulumi", respectSchemaVersion: true },
};

const imageSchema = z.strictObject({
  image: z.strictObject({
    base: z.string().optional(),
    steps: z.array(z.discriminatedUnion("type", [...stepSchema.options, ...localStepSchema.options])),
    builderMemoryMB: builderMemorySchema.optional(),
  }),
});

type Properties = Readonly<Record<string, PropertySpec>>;
type Texts = Readonly<Record<string, string>>;

function describeSnapshot(types: SchemaTypes) {
  const inputs = describeInputs(types, snapshotInputsSchema, texts.SNAPSHOT_INPUTS, texts.SNAPSHOT_REPLACING);
  const record = types.add("SnapshotRecord", {
    properties: { ...strings(texts.SNAPSHOT_RECORD), version: { type: "integer", description: texts.VERSION } },
    required: ["status", "createdAt"],
  });
  const outputs = {
    ...toOutputs(types, inputs),
    ...strings(texts.SNAPSHOT_OUTPUTS),
    record: { ...record, description: texts.RECORD },
  };
  return {
    description: "A named checkpoint of an image: built once, and again only from the step that changed.",
    inputProperties: inputs,
    requiredInputs: ["image"],
    properties: outputs,
    required: ["name", "contentHash", "ref", "record", "steps", "files"],
  };
}

function describeSandbox(types: SchemaTypes) {
  const inputs = describeInputs(types, sandboxInputsSchema, texts.SANDBOX_INPUTS, texts.SANDBOX_REPLACING);
  return {
    description: "A sandbox, started from a snapshot, an image or a checkpoint.",
    inputProperties: inputs,
    requiredInputs: [],
    properties: { ...toOutputs(types, inputs), ...strings(texts.SANDBOX_OUTPUTS) },
    required: ["sandboxId", "status"],
  };
}

function describeCheckpoint(types: SchemaTypes) {
  const own = types.describe(checkpointInputsSchema).properties;
  const inputs = sayOf(own, texts.CHECKPOINT_INPUTS, texts.CHECKPOINT_REPLACING);
  const sizeBytes = { type: "integer", description: texts.SIZE_BYTES };
  return {
    description: "What a sandbox was at the moment of the update: kept once, started from as often as wanted.",
    inputProperties: inputs,
    requiredInputs: ["sandbox"],
    properties: { ...toldBack(inputs), ...strings(texts.CHECKPOINT_OUTPUTS), sizeBytes },
    required: ["sandbox", "name", "kind", "sizeBytes", ...Object.keys(texts.CHECKPOINT_OUTPUTS)],
  };
}

function describeInputs(
  types: SchemaTypes,
  schema: z.ZodType,
  said: Texts,
  replacing: ReadonlySet<string>,
): Properties {
  const { steps: _steps, files: _files, ...own } = types.describe(schema).properties;
  return sayOf({ ...types.describe(imageSchema).properties, ...own }, said, replacing);
}

function sayOf(properties: Properties, said: Texts, replacing: ReadonlySet<string>): Properties {
  const entries = Object.entries(properties).map(([name, property]) => [
    name,
    { ...property, description: said[name], ...(replacing.has(name) ? { willReplaceOnChanges: true } : {}) },
  ]);
  return Object.fromEntries(entries);
}

function toldBack(inputs: Properties): Properties {
  const entries = Object.entries(inputs).map(([name, { willReplaceOnChanges: _, ...property }]) => [name, property]);
  return Object.fromEntries(entries);
}

/** Inputs are told back, but for the image: its steps and files stand for it. */
function toOutputs(types: SchemaTypes, { image: _image, ...inputs }: Properties): Properties {
  const step = types.add("DescribedStep", { properties: strings(texts.DESCRIBED_STEP), required: DESCRIBED });
  return {
    ...toldBack(inputs),
    steps: { type: "array", items: step, description: texts.SNAPSHOT_INPUTS.steps },
    files: { type: "object", additionalProperties: { type: "string" }, description: texts.SNAPSHOT_INPUTS.files },
  };
}

const DESCRIBED = Object.keys(texts.DESCRIBED_STEP);

function describeGetSnapshot(types: SchemaTypes) {
  return {
    description: "Looks up a snapshot that is there.",
    inputs: describeArguments(types, getSnapshotArgsSchema),
    outputs: describeResult(),
  };
}

function describeListSnapshots(types: SchemaTypes) {
  const { properties, required } = describeResult();
  const items = types.add("SnapshotResult", { properties, required });
  return {
    description: "Lists the current versions of all snapshots.",
    inputs: describeArguments(types, listSnapshotsArgsSchema),
    outputs: {
      type: "object",
      properties: { snapshots: { type: "array", items, description: "Newest first." } },
      required: ["snapshots"],
    },
  };
}

function describeArguments(types: SchemaTypes, schema: z.ZodType) {
  const { properties, required } = types.describe(schema);
  const entries = Object.entries(properties).map(([name, property]) => [
    name,
    { ...property, description: texts.FUNCTION_ARGUMENTS[name] },
  ]);
  return { type: "object", properties: Object.fromEntries(entries), required };
}

function describeResult() {
  const properties: Record<string, PropertySpec> = {
    ...strings(texts.SNAPSHOT_RESULT),
    version: { type: "integer", description: texts.VERSION },
    labels: { type: "object", additionalProperties: { type: "string" }, description: "Labels of the name." },
    tags: { type: "array", items: { type: "string" }, description: "Further names of this version." },
  };
  const required = Object.keys(properties).filter((name) => name !== "version" && name !== "checkpointId");
  return { type: "object", properties, required };
}

function describeConfig(types: SchemaTypes): Properties {
  const address = types.add("Endpoint", {
    properties: {
      apiUrl: { type: "string", description: texts.CONFIG.apiUrl },
      apiKey: { type: "string", description: texts.CONFIG.apiKey, secret: true },
    },
    required: ["apiUrl"],
  });
  const map = { type: "object", additionalProperties: { type: "string" } };
  const properties: Record<keyof typeof texts.CONFIG, PropertySpec> = {
    apiUrl: { type: "string" },
    apiKey: { type: "string", secret: true },
    endpoints: { type: "object", additionalProperties: address, secret: true },
    engine: { type: "string" },
    defaultLabels: map,
    defaultTags: map,
    logLevel: { type: "string" },
  };
  const entries = Object.entries(properties).map(([name, property]) => [
    name,
    { ...property, description: texts.CONFIG[name as keyof typeof texts.CONFIG] },
  ]);
  return Object.fromEntries(entries);
}

function strings(said: Texts): Record<string, PropertySpec> {
  return Object.fromEntries(Object.entries(said).map(([name, description]) => [name, { type: "string", description }]));
}
