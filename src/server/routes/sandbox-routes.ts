import { type Context, Hono } from "hono";
import { z } from "zod";
import { wakeRequestSchema } from "../../api/checkpoint-schemas";
import { fromNetworkFields, networkFieldsSchema } from "../../api/network-fields";
import type { HibernationInfo } from "../../api/records";
import {
  createSandboxFieldsSchema,
  diskMBSchema,
  labelsSchema,
  ownerSchema,
  type sandboxTagsSchema,
  setTimeoutRequestSchema,
  snapshotRefSchema,
} from "../../api/schemas";
import { OpenComputerError } from "../../errors";
import type { ImageManifest } from "../../image/image-manifest";
import { whenAnswered } from "../answered";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readPairs } from "../pairs";
import { readBody, readLargeBody } from "../request-body";
import { takeManifest } from "../services/manifest-intake";
import { drain } from "../services/progress";
import { toSandboxSize } from "../services/sandbox-size";
import type { SandboxWish, WishedOrigin } from "../services/sandbox-wish";
import { streamProgress, wantsEvents } from "../sse";
import type { SandboxRow } from "../store/store";
import { toSandboxInfo } from "./sandbox-info";
import { timeoutSchema, unsupported } from "./wire-fields";

/** What the hosted service reads about its own placement; nothing here depends on it, so it may be anything. */
const ignoredFields = {
  burst: z.unknown().optional(),
  sandboxFamily: z.unknown().optional(),
  cellId: z.unknown().optional(),
  alias: z.unknown().optional(),
  port: z.unknown().optional(),
};

const createSandboxSchema = z.strictObject({
  ...createSandboxFieldsSchema,
  ...networkFieldsSchema,
  ...ignoredFields,
  ...unsupported.fields,
  timeout: timeoutSchema,
  diskMB: diskMBSchema.optional(),
  templateID: z.string().optional(),
  snapshot: snapshotRefSchema.optional(),
  image: z.looseObject({}).optional(),
  tags: labelsSchema.optional(),
  owner: ownerSchema.optional(),
});
type CreateSandboxBody = z.output<typeof createSandboxSchema>;

const BASE: ImageManifest = { base: "base", steps: [] };

/** `/sandboxes`: their life. */
export function sandboxRoutes(parts: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  addCreateRoute(app, parts);
  addLifeRoutes(app, parts);
  addSleepRoutes(app, parts);
  return app;
}

function addCreateRoute(app: Hono<AppEnv>, parts: AppParts): void {
  const { sandboxes, log } = parts;
  const toBody = (row: SandboxRow) => toSandboxInfo(sandboxes, row);

  app.post("/", async (c) => {
    const answered = whenAnswered(c);
    const org = c.get("org");
    const body = await readLargeBody(c, createSandboxSchema, parts.quotas.limits.maxBodyMB);
    const wish = await toWish(c, parts, body);
    const isPlain = body.image === undefined && body.snapshot === undefined;
    const begin = (signal: AbortSignal) => sandboxes.create(org, wish, { signal, answered });
    if (!isPlain && wantsEvents(c)) return streamProgress(c, { begin, toBody: ({ row }) => toBody(row), log });
    const { row, isNew } = await drain(begin(c.req.raw.signal));
    return c.json(toBody(row), isNew ? 201 : 200);
  });
}

function addLifeRoutes(app: Hono<AppEnv>, { sandboxes }: AppParts): void {
  const toBody = (row: SandboxRow) => toSandboxInfo(sandboxes, row);
  const get = (c: Context<AppEnv, "/:id">) => sandboxes.get(c.get("org"), c.req.param("id"), c.req.raw.signal);

  app.get("/", async (c) => {
    const tags = readPairs("tag", c.req.queries("tag") ?? []);
    return c.json((await sandboxes.list(c.get("org"), tags)).map(toBody));
  });

  app.get("/:id", async (c) => c.json(toBody(await get(c))));

  app.delete("/:id", async (c) => {
    await sandboxes.life.stop(c.get("org"), c.req.param("id"));
    return c.body(null, 204);
  });

  app.post("/:id/timeout", async (c) => {
    const { timeout } = await readBody(c, setTimeoutRequestSchema);
    await sandboxes.life.setTimeout(c.get("org"), c.req.param("id"), timeout);
    return c.body(null, 204);
  });

  app.get("/:id/tags", async (c) => c.json(toTags(await get(c))));

  app.put("/:id/tags", async (c) => {
    const tags = await readBody(c, labelsSchema);
    return c.json(toTags(await sandboxes.setTags(c.get("org"), c.req.param("id"), tags)));
  });
}

function addSleepRoutes(app: Hono<AppEnv>, { sandboxes }: AppParts): void {
  app.post("/:id/hibernate", async (c) => {
    const sandboxID = c.req.param("id");
    const { kind, sizeBytes } = await sandboxes.life.hibernate(c.get("org"), sandboxID);
    return c.json({ sandboxID, status: "hibernated", sizeBytes, kind } satisfies HibernationInfo);
  });

  app.post("/:id/wake", async (c) => {
    const { timeout } = await readBody(c, wakeSchema);
    const wish = { timeoutSeconds: timeout, signal: c.req.raw.signal };
    return c.json(toSandboxInfo(sandboxes, await sandboxes.life.wake(c.get("org"), c.req.param("id"), wish)));
  });
}

const wakeSchema = z.object({ ...wakeRequestSchema.shape, timeout: timeoutSchema });

async function toWish(c: Context<AppEnv>, parts: AppParts, body: CreateSandboxBody): Promise<SandboxWish> {
  const {
    timeout,
    envs = {},
    metadata = {},
    tags = {},
    owner = null,
    diskMB = null,
    templateID,
    ...rest
  } = unsupported.refuse(body);
  if (templateID && templateID !== "base") {
    throw new OpenComputerError("not_found", `template not found: ${templateID}; the only one is base`);
  }
  return {
    from: await toOrigin(c, parts, body),
    ...{ envs, metadata, timeoutSeconds: timeout ?? 0, ...toSandboxSize(rest), diskMB },
    ...{ tags, network: fromNetworkFields(rest), owner },
  };
}

/** A snapshot wins over an image, as on the wire; then nobody needs the image's bytes. Neither is the base. */
async function toOrigin(c: Context<AppEnv>, parts: AppParts, body: CreateSandboxBody): Promise<WishedOrigin> {
  const { snapshot, image, stepTimeoutSeconds = parts.stepTimeoutSeconds } = body;
  const stepTimeoutMs = stepTimeoutSeconds * 1000;
  if (snapshot) return { kind: "snapshot", ref: snapshot, stepTimeoutMs };
  const manifest = image ? await takeManifest(c.get("org"), parts.blobs, image) : BASE;
  return { kind: "image", manifest, stepTimeoutMs };
}

function toTags({ tags, tagsUpdatedAt }: SandboxRow): z.output<typeof sandboxTagsSchema> {
  return { tags, tagsLastUpdatedAt: tagsUpdatedAt === null ? null : new Date(tagsUpdatedAt).toISOString() };
}
