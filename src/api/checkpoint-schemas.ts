import { z } from "zod";
import { ERROR_CODES } from "../errors";
import { envSchema } from "../image/steps/env";
import type { CreateCheckpointRequest, ForkManyRequest, ForkRequest } from "./contract";
import type { CheckpointInfo, CheckpointRetention, ForkResult, HibernationInfo } from "./records";
import {
  checkpointKindSchema,
  createSandboxFieldsSchema,
  labelsSchema,
  ownerSchema,
  sandboxInfoSchema,
} from "./schemas";

/** Checkpoints, forks and hibernation on the wire, both ways; see schemas.ts. */

export const checkpointInfoSchema = z.object({
  id: z.string(),
  sandboxId: z.string(),
  name: z.string(),
  kind: checkpointKindSchema,
  status: z.enum(["processing", "ready", "failed"]),
  sizeBytes: z.number().default(0),
  isPublic: z.boolean().optional(),
  createdAt: z.string(),
  errorMsg: z.string().optional(),
  failedAt: z.string().optional(),
  owner: z.string().optional(),
}) satisfies z.ZodType<CheckpointInfo>;

export const createCheckpointSchema = z.strictObject({
  name: z.string().min(1).max(128),
  kind: checkpointKindSchema.optional(),
  retentionPolicy: z
    .strictObject({
      mode: z.enum(["none", "delete_oldest"]),
      // On the wire 0 is the limit.
      maxCount: z.int().min(0).max(100).optional(),
    })
    .optional() satisfies z.ZodType<CheckpointRetention | undefined>,
  owner: ownerSchema.optional(),
}) satisfies z.ZodType<CreateCheckpointRequest>;

const forkFieldsSchema = {
  envs: envSchema.optional(),
  metadata: createSandboxFieldsSchema.metadata,
  timeout: createSandboxFieldsSchema.timeout,
  memoryMB: createSandboxFieldsSchema.memoryMB,
  tags: labelsSchema.optional(),
};

export const forkRequestSchema = z.strictObject({
  ...forkFieldsSchema,
  owner: ownerSchema.optional(),
}) satisfies z.ZodType<ForkRequest>;

export const forkManySchema = z.strictObject({
  ...forkFieldsSchema,
  count: z.int().min(1).max(100),
  kind: checkpointKindSchema.optional(),
}) satisfies z.ZodType<ForkManyRequest>;

export const forkResultSchema = z.union([
  z.object({ sandbox: sandboxInfoSchema }),
  z.object({ error: z.string(), code: z.enum(ERROR_CODES) }),
]) satisfies z.ZodType<ForkResult>;

export const hibernationInfoSchema = z.object({
  sandboxID: z.string(),
  status: z.string(),
  sizeBytes: z.number().optional(),
  kind: checkpointKindSchema.optional(),
}) satisfies z.ZodType<HibernationInfo>;

/** The official Python client sends an empty body where it says no timeout. */
export const wakeRequestSchema = z.object({ timeout: createSandboxFieldsSchema.timeout });
