import { isIPv4 } from "node:net";
import { z } from "zod";
import { ERROR_CODES } from "../errors";
import { digestSchema } from "../image/digest";
import { envSchema } from "../image/steps/env";
import type {
  BuildInfo,
  BuildLogEvent,
  CheckpointKind,
  Collected,
  ExecRequest,
  ExecResult,
  FileInfo,
  ImagePlan,
  NetworkPolicy,
  Retention,
  SandboxInfo,
  ServerInfo,
  SnapshotInfo,
  SnapshotUsage,
} from "./records";

/**
 * The wire, both ways: OpenComputer's records and requests, and our additions to them (marked). Requests are closed,
 * answers are open: a newer server may say more than we know. The types are in records.ts.
 */

/** A snapshot's name: what fits into one URL segment on every client. */
export const snapshotNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    "must be 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit (no '/' and no spaces)",
  );

/**
 * A snapshot or one version of it: `name`, `name@3`, `name@<8 to 64 digits of the contentHash>`, `name:tag`. A number of up
 * to seven digits is a version.
 */
export const snapshotRefSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(@([1-9][0-9]{0,6}|[0-9a-f]{8,64})|:[A-Za-z0-9][A-Za-z0-9._-]{0,127})?$/,
    "must be a snapshot's name, or name@VERSION, name@CONTENT_HASH (8 to 64 digits), name:TAG",
  );

/** A further name of a version. */
export const snapshotTagSchema = snapshotNameSchema;

/** Labels and tags: at most 50, as the hosted service has it. */
export const labelsSchema = z
  .record(
    z
      .string()
      .regex(
        /^(?!oc:)[A-Za-z0-9_.:/-]{1,128}$/,
        "must be 1 to 128 letters, digits, '_', '.', ':', '/' or '-', not beginning with oc:",
      ),
    z.string().max(256),
  )
  .refine((labels) => Object.keys(labels).length <= 50, "must be at most 50");

export const retentionSchema = z.strictObject({
  keepLast: z.int().min(0).max(1_000).optional(),
  ttlSeconds: z.int().min(1).max(315_360_000).optional(),
}) satisfies z.ZodType<Retention>;

const DESTINATION = "must be a host (pypi.org), *.host, an IPv4 address, or a block (192.0.2.0/24)";

/** One destination of an allow-list: a host, `*.host`, an IPv4 address or block. */
export const destinationSchema = z
  .string()
  .regex(
    /^((\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|\d{1,3}(\.\d{1,3}){3}(\/([0-9]|[12][0-9]|3[0-2]))?)$/,
    DESTINATION,
  )
  // Four numbers are no host, whatever a regular expression of hosts says.
  .refine((text) => !/^\d+(\.\d+)*(\/\d+)?$/.test(text) || isIPv4(text.split("/")[0] ?? ""), DESTINATION);

export const networkPolicySchema = z.union([
  z.enum(["none", "egress"]),
  z.strictObject({ allow: z.array(destinationSchema).min(1).max(256) }),
]) satisfies z.ZodType<NetworkPolicy>;

/** How many sandboxes of a snapshot are kept started ahead. */
export const warmPoolSchema = z.int().min(0).max(100);

export const checkpointKindSchema = z.enum(["disk_only", "full"]) satisfies z.ZodType<CheckpointKind>;

export const ownerSchema = z.string().min(1).max(256);

export const snapshotStatusSchema = z.enum(["building", "ready", "failed"]);

export const snapshotInfoSchema = z.object({
  id: z.string(),
  name: z.string(),
  status: snapshotStatusSchema,
  /** 64 hex digits; the hosted service appends `:named:<name>`, which the client cuts off. */
  contentHash: z.string(),
  checkpointId: z.string().optional(),
  manifest: z.unknown(),
  createdAt: z.string(),
  lastUsedAt: z.string().optional(),
  /** Ours: why the build failed. */
  error: z.string().optional(),
  version: z.int().optional(),
  current: z.boolean().optional(),
  tags: z.array(z.string()).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  retention: z.object({ keepLast: z.int().optional(), ttlSeconds: z.int().optional() }).optional(),
  owner: z.string().optional(),
  warmPool: z.int().optional(),
}) satisfies z.ZodType<SnapshotInfo>;

/** Ours: who uses a snapshot. */
export const snapshotUsageSchema = z.object({
  sandboxes: z.array(z.object({ sandboxID: z.string(), version: z.int().nullable() })),
}) satisfies z.ZodType<SnapshotUsage>;

/** Ours: a build, running or over. */
export const buildInfoSchema = z.object({
  id: z.string(),
  status: z.enum(["running", "succeeded", "failed", "cancelled"]),
  contentHash: z.string(),
  name: z.string().optional(),
  startedAt: z.string(),
  finishedAt: z.string().optional(),
  error: z.string().optional(),
}) satisfies z.ZodType<BuildInfo>;

export const sandboxInfoSchema = z.object({
  sandboxID: z.string(),
  status: z.string(),
  templateID: z.string().optional(),
  /** Ours: the snapshot's name, where it was created from one. */
  snapshot: z.string().optional(),
  fromCheckpointId: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  cpuCount: z.number().optional(),
  memoryMB: z.number().optional(),
  diskMB: z.number().optional(),
  startedAt: z.string().optional(),
  /** When the idle timeout will stop it, as things stand; absent where it has none. */
  endAt: z.string().nullish(),
  /** Ours: idle seconds; 0 is never. */
  timeout: z.number().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  network: networkPolicySchema.optional(),
  owner: z.string().optional(),
  stopReason: z.string().optional(),
}) satisfies z.ZodType<SandboxInfo>;

const timeoutSecondsSchema = z.int().min(0).max(31_536_000);
export const stepTimeoutSecondsSchema = z.int().min(1).max(86_400);

export const createSandboxFieldsSchema = {
  envs: envSchema.optional(),
  metadata: z.record(z.string().min(1), z.string()).optional(),
  timeout: timeoutSecondsSchema.optional(),
  memoryMB: z.int().min(64).max(1_048_576).optional(),
  cpuCount: z.number().min(0.1).max(256).optional(),
  stepTimeoutSeconds: stepTimeoutSecondsSchema.optional(),
};

/** What a sandbox may write, in MiB; as much as the hosted service allows. */
export const diskMBSchema = z.int().min(64).max(262_144);

/** A sandbox's tags, as the hosted service says them. */
export const sandboxTagsSchema = z.object({
  tags: z.record(z.string(), z.string()),
  tagsLastUpdatedAt: z.string().nullable(),
});

/** A snapshot's creation without its image. */
export const createSnapshotFieldsSchema = {
  name: snapshotNameSchema,
  stepTimeoutSeconds: stepTimeoutSecondsSchema.optional(),
  /** Ours, as all that follows. */
  buildTimeoutSeconds: stepTimeoutSecondsSchema.optional(),
  ifExists: z.enum(["fail", "version"]).optional(),
  labels: labelsSchema.optional(),
  retention: retentionSchema.optional(),
  warmPool: warmPoolSchema.optional(),
  owner: ownerSchema.optional(),
};

/** Ours: what of a name can be changed. */
export const snapshotChangeSchema = z.strictObject({
  labels: labelsSchema.optional(),
  retention: retentionSchema.optional(),
  warmPool: warmPoolSchema.optional(),
});

export const setTimeoutRequestSchema = z.object({ timeout: timeoutSecondsSchema });

export const buildLogEventSchema = z.object({
  step: z.number(),
  type: z.string(),
  message: z.string(),
  /** Ours: set on lines that a command printed. */
  stream: z.enum(["stdout", "stderr"]).optional(),
}) satisfies z.ZodType<BuildLogEvent>;

export const execRequestSchema = z.object({
  cmd: z.string().min(1, "cmd is required"),
  args: z.array(z.string()).optional(),
  envs: envSchema.optional(),
  cwd: z.string().optional(),
  /** Seconds; 0 is no limit. Default 60, as upstream's clients send. */
  timeout: z.number().min(0).max(86_400).optional(),
}) satisfies z.ZodType<ExecRequest>;

export const execResultSchema = z.object({
  exitCode: z.number(),
  stdout: z.string(),
  stderr: z.string(),
  truncated: z.boolean().optional(),
}) satisfies z.ZodType<ExecResult>;

/** The answer to run-async while the command still runs; one that is over is answered with its result at once. */
export const execStartedSchema = z.object({ execId: z.string(), running: z.literal(true) });

/** What a poll for the result says. `exitCode` is there once `running` is false, or `error` where it never ran. */
export const execProgressSchema = z.object({
  running: z.boolean(),
  exitCode: z.number().optional(),
  stdout: z.string().default(""),
  stderr: z.string().default(""),
  truncated: z.boolean().optional(),
  error: z.string().optional(),
  /** Ours: the error's code. */
  code: z.enum(ERROR_CODES).optional(),
});

export const fileInfoSchema = z.object({
  name: z.string(),
  path: z.string(),
  isDir: z.boolean(),
  size: z.number().default(0),
}) satisfies z.ZodType<FileInfo>;

/** Ours: which of these bytes does the server lack? */
export const missingBlobsRequestSchema = z.object({ digests: z.array(digestSchema).max(100_000) });
export const missingBlobsResponseSchema = z.object({
  missing: z.array(digestSchema),
  /** How many bytes of a missing digest the server has from an upload that was cut: send the rest with that offset. */
  arrived: z.record(digestSchema, z.int().min(0)).default({}),
});

/** Ours: what answers, and what it builds on. Asking for it also proves that the key is good. */
export const serverInfoSchema = z.object({
  version: z.string(),
  engine: z.string(),
  runtime: z.string(),
  runtimeVersion: z.string(),
  base: z.string(),
  baseDigest: z.string(),
  checkpointKinds: z.array(checkpointKindSchema).optional(),
  diskQuota: z.enum(["hard", "watched", "none"]).optional(),
}) satisfies z.ZodType<ServerInfo>;

/** Ours: what a build of an image would do. */
export const imagePlanSchema = z.object({
  contentHash: z.string(),
  keys: z.array(z.string()),
  cached: z.int().min(0),
}) satisfies z.ZodType<ImagePlan>;

/** Ours: what a collection removed. */
export const collectedSchema = z.object({
  layers: z.number(),
  blobs: z.number().default(0),
  sizeBytes: z.number(),
  damaged: z.array(z.object({ key: z.string(), problem: z.string() })).optional(),
}) satisfies z.ZodType<Collected>;

/** The embedded server's visiting card, `server.json` in the home, mode 0600. */
export const serverCardSchema = z.object({
  url: z.string(),
  apiKey: z.string(),
  pid: z.int(),
  version: z.string(),
});
export type ServerCard = z.infer<typeof serverCardSchema>;
