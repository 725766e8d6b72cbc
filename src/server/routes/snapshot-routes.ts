import { type Context, Hono } from "hono";
import { z } from "zod";
import type { SnapshotInfo, SnapshotUsage } from "../../api/records";
import { createSnapshotFieldsSchema, labelsSchema, snapshotChangeSchema, snapshotTagSchema } from "../../api/schemas";
import { parseWith } from "../../image/manifest";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readPairs } from "../pairs";
import { readBody, readLargeBody } from "../request-body";
import { abortable } from "../services/abortable";
import { takeManifest } from "../services/manifest-intake";
import { drain, type Progress } from "../services/progress";
import type { PendingSnapshot } from "../services/snapshot-creation";
import type { SnapshotOrder } from "../services/snapshot-service";
import { readFrom, streamProgress, wantsEvents } from "../sse";
import type { Labels, SnapshotRow } from "../store/snapshot-store";

const createSnapshotSchema = z.strictObject({
  ...createSnapshotFieldsSchema,
  image: z.looseObject({}, { error: "image is required: a manifest {base, steps}" }),
});

/** `/snapshots`: names for built images, and their versions. */
export function snapshotRoutes(parts: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  addLifeRoutes(app, parts);
  addVersionRoutes(app, parts);
  return app;
}

function addLifeRoutes(app: Hono<AppEnv>, parts: AppParts): void {
  const { snapshots, log } = parts;

  app.post("/", async (c) => {
    const order = await readOrder(c, parts);
    const org = c.get("org");
    if (c.req.query("async") === "1") return c.json(toInfo(await snapshots.beginDetached(org, order)), 202);
    const pending = await snapshots.begin(org, order);
    if (wantsEvents(c))
      return streamProgress(c, { begin: (signal) => follow(pending, 0, signal), toBody: toInfo, log });
    return c.json(toInfo(await drain(follow(pending, 0, c.req.raw.signal))), 201);
  });

  app.get("/", async (c) => {
    const labels = readLabels(c.req.queries("label"));
    return c.json((await snapshots.list(c.get("org"), labels)).map(toInfo));
  });

  app.get("/:ref", async (c) => c.json(toInfo(await snapshots.get(c.get("org"), c.req.param("ref")))));

  app.patch("/:ref", async (c) => {
    const change = await readBody(c, snapshotChangeSchema);
    return c.json(toInfo(await snapshots.change(c.get("org"), c.req.param("ref"), change)));
  });

  app.delete("/:ref", async (c) => {
    await snapshots.delete(c.get("org"), c.req.param("ref"));
    return c.body(null, 204);
  });

  app.get("/:ref/log", async (c) => {
    const from = readFrom(c.req.query("from"));
    const pending = await snapshots.follow(c.get("org"), c.req.param("ref"));
    return streamProgress(c, { begin: (signal) => follow(pending, from, signal), toBody: toInfo, log });
  });
}

function addVersionRoutes(app: Hono<AppEnv>, { snapshots }: AppParts): void {
  app.get("/:name/versions", async (c) => {
    return c.json((await snapshots.listVersions(c.get("org"), c.req.param("name"))).map(toInfo));
  });

  app.get("/:name/usage", async (c) => {
    const users = await snapshots.listUsers(c.get("org"), c.req.param("name"));
    const sandboxes = users.map(({ sandboxId, version }) => ({ sandboxID: sandboxId, version }));
    return c.json({ sandboxes } satisfies SnapshotUsage);
  });

  app.post("/:ref/promote", async (c) => c.json(toInfo(await snapshots.promote(c.get("org"), c.req.param("ref")))));

  app.put("/:ref/tags/:tag", async (c) => {
    const tag = parseWith(snapshotTagSchema, c.req.param("tag"), "the tag");
    return c.json(toInfo(await snapshots.tag(c.get("org"), c.req.param("ref"), tag)));
  });

  app.delete("/:ref/tags/:tag", async (c) => {
    await snapshots.untag(c.get("org"), c.req.param("ref"), c.req.param("tag"));
    return c.body(null, 204);
  });
}

async function readOrder(c: Context<AppEnv>, parts: AppParts): Promise<SnapshotOrder> {
  const { name, image, ifExists, stepTimeoutSeconds, buildTimeoutSeconds, labels, retention, warmPool, owner } =
    await readLargeBody(c, createSnapshotSchema, parts.quotas.limits.maxBodyMB);
  const manifest = await takeManifest(c.get("org"), parts.blobs, image);
  return {
    ...{ name, manifest, isNew: ifExists !== "version" },
    stepTimeoutMs: (stepTimeoutSeconds ?? parts.stepTimeoutSeconds) * 1000,
    ...(buildTimeoutSeconds === undefined ? {} : { buildTimeoutMs: buildTimeoutSeconds * 1000 }),
    ...(labels ? { labels } : {}),
    ...(retention ? { retention } : {}),
    ...(warmPool === undefined ? {} : { warmPool }),
    ...(owner ? { owner } : {}),
  };
}

/** `?label=stage=prod`, as often as one likes. @throws invalid_input */
function readLabels(texts: readonly string[] = []): Labels {
  return parseWith(labelsSchema, Object.fromEntries(readPairs("label", texts)), "label");
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
    ...{ version: row.version, current: row.current, tags: row.tags, labels: row.labels },
    ...(row.retention === null ? {} : { retention: row.retention }),
    ...(row.warmPool > 0 ? { warmPool: row.warmPool } : {}),
    ...(row.owner === null ? {} : { owner: row.owner }),
  };
}
