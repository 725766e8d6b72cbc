import { type Context, Hono } from "hono";
import { z } from "zod";
import type { SnapshotInfo } from "../../api/records";
import { snapshotNameSchema, stepTimeoutSecondsSchema } from "../../api/schemas";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { limitBody, MANIFEST_BODY_BYTES, readBody } from "../request-body";
import { abortable } from "../services/abortable";
import { takeManifest } from "../services/manifest-intake";
import type { PendingSnapshot } from "../services/snapshot-creation";
import { drain, type Progress, readFrom, streamProgress, wantsEvents } from "../sse";
import type { SnapshotRow } from "../store/store";

const createSnapshotSchema = z.strictObject({
  name: snapshotNameSchema,
  image: z.looseObject({}, { error: "image is required: a manifest {base, steps}" }),
  stepTimeoutSeconds: stepTimeoutSecondsSchema.optional(),
});

/** `/snapshots`: names for built images. */
export function snapshotRoutes(parts: AppParts): Hono<AppEnv> {
  const { snapshots, log } = parts;
  const app = new Hono<AppEnv>();

  app.post("/", limitBody(MANIFEST_BODY_BYTES), async (c) => {
    const wish = await readWish(c, parts);
    const org = c.get("org");
    if (c.req.query("async") === "1") return c.json(toInfo(await snapshots.beginDetached(org, wish)), 202);
    const pending = await snapshots.begin(org, wish);
    if (wantsEvents(c))
      return streamProgress(c, { begin: (signal) => follow(pending, 0, signal), toBody: toInfo, log });
    return c.json(toInfo(await drain(follow(pending, 0, c.req.raw.signal))), 201);
  });

  app.get("/", async (c) => c.json((await snapshots.list(c.get("org"))).map(toInfo)));

  app.get("/:name", async (c) => c.json(toInfo(await snapshots.get(c.get("org"), c.req.param("name")))));

  app.delete("/:name", async (c) => {
    await snapshots.delete(c.get("org"), c.req.param("name"));
    return c.body(null, 204);
  });

  app.get("/:name/log", async (c) => {
    const from = readFrom(c.req.query("from"));
    const pending = await snapshots.follow(c.get("org"), c.req.param("name"));
    return streamProgress(c, { begin: (signal) => follow(pending, from, signal), toBody: toInfo, log });
  });
  return app;
}

async function readWish(c: Context<AppEnv>, parts: AppParts) {
  const { name, image, stepTimeoutSeconds } = await readBody(c, createSnapshotSchema);
  const manifest = await takeManifest(c.get("org"), parts.blobs, image);
  return { name, manifest, stepTimeoutMs: (stepTimeoutSeconds ?? parts.stepTimeoutSeconds) * 1000 };
}

async function* follow(pending: PendingSnapshot, from: number, signal: AbortSignal): Progress<SnapshotRow> {
  try {
    yield* pending.events(from, signal);
    return await abortable(pending.result, signal);
  } finally {
    pending.leave();
  }
}

function toInfo(row: SnapshotRow): SnapshotInfo {
  return {
    ...{ id: row.id, name: row.name, status: row.status, contentHash: row.contentHash },
    ...(row.checkpointId === null ? {} : { checkpointId: row.checkpointId }),
    ...{ manifest: row.manifest, createdAt: new Date(row.createdAt).toISOString() },
    ...(row.lastUsedAt === null ? {} : { lastUsedAt: new Date(row.lastUsedAt).toISOString() }),
    ...(row.error === null ? {} : { error: row.error.error }),
  };
}
