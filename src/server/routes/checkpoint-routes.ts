import { type Context, Hono } from "hono";
import { z } from "zod";
import { createCheckpointSchema, forkManySchema, forkRequestSchema } from "../../api/checkpoint-schemas";
import type { CheckpointInfo, ForkResult } from "../../api/records";
import { assertNever } from "../../errors";
import { parseWith } from "../../image/manifest";
import { whenAnswered } from "../answered";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readBody } from "../request-body";
import type { ForkOutcome } from "../services/checkpoint-service";
import { drain } from "../services/progress";
import type { SandboxCheckpointRow } from "../store/checkpoint-store";
import { toSandboxInfo } from "./sandbox-info";
import { timeoutSchema, unsupported } from "./wire-fields";

const takeSchema = z.strictObject({
  ...createCheckpointSchema.shape,
  // What it asks for needs no memory image here: a start from files is all that there is of it.
  promoteToFull: z.literal(false, { error: "is not supported by this server; leave it out" }).optional(),
});

const fromCheckpointSchema = z.strictObject({
  ...forkRequestSchema.shape,
  ...unsupported.fields,
  timeout: timeoutSchema,
});

/** `/sandboxes/:id/checkpoints` and what starts from them. */
export function sandboxCheckpointRoutes(parts: AppParts): Hono<AppEnv> {
  const { checkpoints, sandboxes } = parts;
  const app = new Hono<AppEnv>();

  app.post("/:id/checkpoints", async (c) => {
    const { promoteToFull: _, ...request } = await readBody(c, takeSchema);
    return c.json(toInfo(await checkpoints.begin(c.get("org"), c.req.param("id"), request)), 201);
  });

  app.get("/:id/checkpoints", async (c) => {
    return c.json((await checkpoints.list(c.get("org"), c.req.param("id"))).map(toInfo));
  });

  app.delete("/:id/checkpoints/:checkpointId", async (c) => {
    await checkpoints.delete(c.get("org"), c.req.param("id"), idOf(c));
    return c.body(null, 204);
  });

  app.post("/:id/checkpoints/:checkpointId/restore", async (c) => {
    const { id, checkpointId } = { id: c.req.param("id"), checkpointId: idOf(c) };
    await checkpoints.beginRestore(c.get("org"), id, checkpointId);
    return c.json({ sandboxId: id, checkpointId, status: "restoring" });
  });

  app.post("/from-checkpoint/:checkpointId", async (c) => {
    const asker = { signal: c.req.raw.signal, answered: whenAnswered(c) };
    const request = unsupported.refuse(await readBody(c, fromCheckpointSchema));
    const wish = await checkpoints.toWish(c.get("org"), idOf(c), request, asker.signal);
    const { row, isNew } = await drain(sandboxes.create(c.get("org"), wish, asker));
    return c.json(toSandboxInfo(sandboxes, row), isNew ? 201 : 200);
  });

  app.post("/:id/fork", async (c) => {
    const asker = { signal: c.req.raw.signal, answered: whenAnswered(c) };
    const request = await readBody(c, forkManySchema);
    const outcomes = await checkpoints.fork(c.get("org"), c.req.param("id"), request, asker);
    return c.json(outcomes.map((outcome) => toForkResult(parts, outcome)));
  });
  return app;
}

/** `/checkpoints`: those of all sandboxes. */
export function checkpointRoutes({ checkpoints }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get("/", async (c) => c.json((await checkpoints.listAll(c.get("org"))).map(toInfo)));
  app.get("/:checkpointId", async (c) => {
    return c.json(toInfo(await checkpoints.get(c.get("org"), c.req.param("checkpointId"))));
  });
  return app;
}

/** @throws invalid_input, as on the wire, for what no checkpoint is called */
function idOf(c: Context<AppEnv>): string {
  return parseWith(z.uuid("must be the id of a checkpoint"), c.req.param("checkpointId"), "the request");
}

function toInfo(row: SandboxCheckpointRow): CheckpointInfo {
  return {
    ...{ id: row.id, sandboxId: row.sandboxId, name: row.name, kind: row.kind, status: row.status },
    ...{ sizeBytes: row.sizeBytes, isPublic: false, createdAt: new Date(row.createdAt).toISOString() },
    ...(row.error === null ? {} : { errorMsg: row.error.error }),
    ...(row.owner === null ? {} : { owner: row.owner }),
    ...(row.failedAt === null ? {} : { failedAt: new Date(row.failedAt).toISOString() }),
  };
}

function toForkResult({ sandboxes }: AppParts, outcome: ForkOutcome): ForkResult {
  switch (outcome.kind) {
    case "started":
      return { sandbox: toSandboxInfo(sandboxes, outcome.row) };
    case "failed":
      return { error: outcome.error.error, code: outcome.error.code ?? "internal" };
    default:
      return assertNever(outcome);
  }
}
