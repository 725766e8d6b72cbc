import { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "zod";
import {
  checkpointInfoSchema,
  createCheckpointSchema,
  forkManySchema,
  forkRequestSchema,
  forkResultSchema,
  hibernationInfoSchema,
  wakeRequestSchema,
} from "../api/checkpoint-schemas";
import { networkFieldsSchema } from "../api/network-fields";
import {
  buildInfoSchema,
  collectedSchema,
  createSandboxFieldsSchema,
  createSnapshotFieldsSchema,
  execProgressSchema,
  execRequestSchema,
  execResultSchema,
  execStartedSchema,
  fileInfoSchema,
  imagePlanSchema,
  labelsSchema,
  missingBlobsRequestSchema,
  missingBlobsResponseSchema,
  ownerSchema,
  sandboxInfoSchema,
  sandboxTagsSchema,
  serverInfoSchema,
  setTimeoutRequestSchema,
  snapshotChangeSchema,
  snapshotInfoSchema,
  snapshotRefSchema,
  snapshotUsageSchema,
} from "../api/schemas";
import { ERROR_CODES } from "../errors";
import { manifestSchema } from "../image/manifest";

/** One endpoint as the document shows it. */
interface Endpoint {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, z.ZodType>>;
  /** JSON in; `bytes` is a raw body. */
  readonly body?: z.ZodType | "bytes";
  readonly status: number;
  /** JSON out; `bytes` is a raw body, `events` a stream whose `result` is the record beside it. */
  readonly answer?: z.ZodType | "bytes";
  readonly events?: boolean;
}

const errorSchema = z.object({
  error: z.string(),
  code: z.enum(ERROR_CODES),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
});

const newSnapshotSchema = z.object({ ...createSnapshotFieldsSchema, image: manifestSchema });
const newSandboxSchema = z.object({
  ...createSandboxFieldsSchema,
  ...networkFieldsSchema,
  templateID: z.string().optional(),
  snapshot: snapshotRefSchema.optional(),
  image: manifestSchema.optional(),
  tags: labelsSchema.optional(),
  owner: ownerSchema.optional(),
});
const restoringSchema = z.object({
  sandboxId: z.string(),
  checkpointId: z.string(),
  status: z.literal("restoring"),
});
const async = { async: z.literal("1").optional() };
const from = { from: z.string().optional() };
const path = { path: z.string() };
const sandbox = "/sandboxes/{id}";

/** Every endpoint below `/api`; a test holds it against the routes. */
export const ENDPOINTS: readonly Endpoint[] = [
  e("post", "/snapshots", "Build an image and name it", 201, {
    body: newSnapshotSchema,
    answer: snapshotInfoSchema,
    events: true,
    query: async,
  }),
  e("get", "/snapshots", "The current versions of all names, newest first", 200, {
    query: { label: z.array(z.string()).optional() },
    answer: z.array(snapshotInfoSchema),
  }),
  e("get", "/snapshots/{ref}", "A version: name, name@3, name@HASH, name:tag", 200, { answer: snapshotInfoSchema }),
  e("patch", "/snapshots/{ref}", "Change labels, retention or warm pool of a name", 200, {
    body: snapshotChangeSchema,
    answer: snapshotInfoSchema,
  }),
  e("delete", "/snapshots/{ref}", "Give the name back, or delete one version; sandboxes live on", 204),
  e("get", "/snapshots/{name}/versions", "All versions, newest first", 200, { answer: z.array(snapshotInfoSchema) }),
  e("get", "/snapshots/{name}/usage", "Who uses it", 200, { answer: snapshotUsageSchema }),
  e("post", "/snapshots/{ref}/promote", "Make a version the current one", 200, { answer: snapshotInfoSchema }),
  e("put", "/snapshots/{ref}/tags/{tag}", "Give a version a tag, or move it there", 200, {
    answer: snapshotInfoSchema,
  }),
  e("delete", "/snapshots/{ref}/tags/{tag}", "Take a tag of a name away", 204),
  e("get", "/snapshots/{ref}/log", "The build's log, past and live", 200, {
    answer: snapshotInfoSchema,
    events: true,
    query: from,
  }),
  e("post", "/sandboxes", "Start a sandbox from an image, a snapshot or the base", 201, {
    body: newSandboxSchema,
    answer: sandboxInfoSchema,
    events: true,
  }),
  e("get", "/sandboxes", "The sandboxes that run or sleep, newest first; `tag=KEY=VALUE`: those that have it", 200, {
    answer: z.array(sandboxInfoSchema),
    query: { tag: z.array(z.string()).optional() },
  }),
  e("get", sandbox, "One sandbox", 200, { answer: sandboxInfoSchema }),
  e("delete", sandbox, "End a sandbox", 204),
  e("post", `${sandbox}/timeout`, "Set the idle timeout anew", 204, { body: setTimeoutRequestSchema }),
  e("post", `${sandbox}/hibernate`, "Send it to sleep; the next use wakes it", 200, { answer: hibernationInfoSchema }),
  e("post", `${sandbox}/wake`, "Wake it", 200, { body: wakeRequestSchema, answer: sandboxInfoSchema }),
  e("post", `${sandbox}/fork`, "Start several from what it is now", 200, {
    body: forkManySchema,
    answer: z.array(forkResultSchema),
  }),
  e("post", `${sandbox}/checkpoints`, "Keep what it is now; taken in the background", 201, {
    body: createCheckpointSchema,
    answer: checkpointInfoSchema,
  }),
  e("get", `${sandbox}/checkpoints`, "Its checkpoints, newest first, also when it is gone", 200, {
    answer: z.array(checkpointInfoSchema),
  }),
  e("delete", `${sandbox}/checkpoints/{checkpointId}`, "Delete one; what was started from it lives on", 204),
  e("post", `${sandbox}/checkpoints/{checkpointId}/restore`, "Put it back; later calls wait for that", 200, {
    answer: restoringSchema,
  }),
  e("post", "/sandboxes/from-checkpoint/{checkpointId}", "Start a sandbox from a checkpoint", 201, {
    body: forkRequestSchema,
    answer: sandboxInfoSchema,
  }),
  e("get", "/checkpoints", "The checkpoints of all sandboxes, newest first", 200, {
    answer: z.array(checkpointInfoSchema),
  }),
  e("get", "/checkpoints/{checkpointId}", "One checkpoint", 200, { answer: checkpointInfoSchema }),
  e("get", `${sandbox}/tags`, "Its tags", 200, { answer: sandboxTagsSchema }),
  e("put", `${sandbox}/tags`, "Put tags in the place of all that it has", 200, {
    body: labelsSchema,
    answer: sandboxTagsSchema,
  }),
  e("post", `${sandbox}/exec/run`, "Run a command to its end", 200, {
    body: execRequestSchema,
    answer: execResultSchema,
  }),
  e("post", `${sandbox}/exec/run-async`, "Start a command; 200 with its result where it is quick", 202, {
    body: execRequestSchema,
    answer: execStartedSchema,
  }),
  e("get", `${sandbox}/exec/{execId}/result`, "What has become of a command", 200, { answer: execProgressSchema }),
  e("get", `${sandbox}/files`, "Read a file", 200, { query: path, answer: "bytes" }),
  e("put", `${sandbox}/files`, "Write a file", 204, { query: path, body: "bytes" }),
  e("delete", `${sandbox}/files`, "Remove a file or directory", 204, { query: path }),
  e("get", `${sandbox}/files/list`, "The entries of a directory", 200, {
    query: path,
    answer: z.array(fileInfoSchema),
  }),
  e("post", `${sandbox}/files/mkdir`, "Make a directory and its parents", 204, { query: path }),
  e("post", "/blobs/missing", "Which of these bytes does the server lack?", 200, {
    body: missingBlobsRequestSchema,
    answer: missingBlobsResponseSchema,
  }),
  e("put", "/blobs/{digest}", "Bring the bytes of a file, or what is left of them", 204, {
    body: "bytes",
    query: { offset: z.string().optional() },
  }),
  e("get", "/builds", "Running builds and those whose logs are kept, newest first", 200, {
    answer: z.array(buildInfoSchema),
  }),
  e("get", "/builds/{id}/log", "A build's log, past and live; follow=0 ends it with the lines that are there", 200, {
    answer: buildInfoSchema,
    events: true,
    query: { ...from, follow: z.enum(["0", "1"]).optional() },
  }),
  e("get", "/info", "Version and engine", 200, { answer: serverInfoSchema }),
  e("post", "/plan", "What a build of an image would do", 200, {
    body: z.strictObject({ image: manifestSchema }),
    answer: imagePlanSchema,
  }),
  e("post", "/gc", "Collect what nothing needs; verify=1 reads all layers first, and puts aside what is damaged", 200, {
    query: { verify: z.literal("1").optional() },
    answer: collectedSchema,
  }),
  e("get", "/openapi.json", "This document", 200, { answer: z.looseObject({}) }),
];

/** The OpenAPI 3.1 document of the server. */
export function describeApi(version: string): object {
  const registry = new OpenAPIHono();
  for (const endpoint of ENDPOINTS) registry.openAPIRegistry.registerPath(toPath(endpoint));
  registry.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  return registry.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "pulumi-opencomputer", version },
    servers: [{ url: "/api" }],
    security: [{ apiKey: [] }],
  });
}

function e(
  method: Endpoint["method"],
  path: string,
  summary: string,
  status: number,
  more: Partial<Endpoint> = {},
): Endpoint {
  return { method, path, summary, status, ...more };
}

function toPath({ method, path, summary, query, body, status, answer, events }: Endpoint) {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  return {
    ...{ method, path, summary },
    request: {
      ...(names.length > 0 ? { params } : {}),
      ...(query ? { query: z.object(query) } : {}),
      ...(body ? { body: { content: toContent(body), required: true } } : {}),
    },
    responses: {
      [status]: { description: "Done", ...(answer ? { content: { ...toContent(answer), ...toEvents(events) } } : {}) },
      default: { description: "An error", content: toContent(errorSchema) },
    },
  };
}

function toContent(body: z.ZodType | "bytes") {
  if (body !== "bytes") return { "application/json": { schema: body } };
  return { "application/octet-stream": { schema: z.string() } };
}

function toEvents(events = false) {
  return events ? { "text/event-stream": { schema: z.string() } } : {};
}
