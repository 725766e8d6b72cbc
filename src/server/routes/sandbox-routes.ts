import { type Context, Hono } from "hono";
import { z } from "zod";
import { fromNetworkFields, networkFieldsSchema } from "../../api/network-fields";
import type { SandboxInfo } from "../../api/records";
import {
  createSandboxFieldsSchema,
  labelsSchema,
  ownerSchema,
  type sandboxTagsSchema,
  setTimeoutRequestSchema,
  snapshotRefSchema,
} from "../../api/schemas";
import { OpenComputerError } from "../../errors";
import { whenAnswered } from "../answered";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readPairs } from "../pairs";
import { limitBody, MANIFEST_BODY_BYTES, readBody, SMALL_BODY_BYTES } from "../request-body";
import { takeManifest } from "../services/manifest-intake";
import { toSandboxSize } from "../services/sandbox-size";
import type { SandboxWish } from "../services/sandbox-wish";
import { drain, streamProgress, wantsEvents } from "../sse";
import type { SandboxRow } from "../store/store";

/** What the hosted service reads about its own placement; nothing here depends on it, so it may be anything. */
const ignoredFields = {
  diskMB: z.unknown().optional(),
  burst: z.unknown().optional(),
  sandboxFamily: z.unknown().optional(),
  cellId: z.unknown().optional(),
  alias: z.unknown().optional(),
  port: z.unknown().optional(),
};

/** What the hosted service offers and this server does not; who relies on it must know. */
const UNSUPPORTED = ["secretStore", "previewAuth", "webhooks"] as const;

const createSandboxSchema = z.strictObject({
  ...createSandboxFieldsSchema,
  ...networkFieldsSchema,
  ...ignoredFields,
  ...Object.fromEntries(UNSUPPORTED.map((name) => [name, z.unknown().optional()])),
  // On the wire a negative timeout is 0, never; our own clients do not send one.
  timeout: z.preprocess(
    (seconds) => (Number.isInteger(seconds) ? Math.max(Number(seconds), 0) : seconds),
    createSandboxFieldsSchema.timeout,
  ),
  templateID: z.string().optional(),
  snapshot: snapshotRefSchema.optional(),
  image: z.looseObject({}).optional(),
  tags: labelsSchema.optional(),
  owner: ownerSchema.optional(),
});

/** `/sandboxes`: their life. */
export function sandboxRoutes(parts: AppParts): Hono<AppEnv> {
  const { sandboxes, log } = parts;
  const app = new Hono<AppEnv>();
  const toBody = (row: SandboxRow) => toInfo(row, sandboxes.deadlineOf(row));

  app.post("/", limitBody(MANIFEST_BODY_BYTES), async (c) => {
    const answered = whenAnswered(c);
    const org = c.get("org");
    const wish = await readWish(c, parts);
    const fromImage = wish.image !== undefined || wish.snapshot !== undefined;
    const begin = (signal: AbortSignal) => sandboxes.create(org, wish, { signal, answered });
    if (fromImage && wantsEvents(c)) return streamProgress(c, { begin, toBody: ({ row }) => toBody(row), log });
    const { row, isNew } = await drain(begin(c.req.raw.signal));
    return c.json(toBody(row), isNew ? 201 : 200);
  });

  app.get("/", async (c) => {
    const tags = readPairs("tag", c.req.queries("tag") ?? []);
    return c.json((await sandboxes.list(c.get("org"), tags)).map(toBody));
  });

  app.get("/:id", async (c) => c.json(toBody(await sandboxes.get(c.get("org"), c.req.param("id")))));

  app.delete("/:id", async (c) => {
    await sandboxes.kill(c.get("org"), c.req.param("id"));
    return c.body(null, 204);
  });

  app.post("/:id/timeout", limitBody(SMALL_BODY_BYTES), async (c) => {
    const { timeout } = await readBody(c, setTimeoutRequestSchema);
    await sandboxes.setTimeout(c.get("org"), c.req.param("id"), timeout);
    return c.body(null, 204);
  });

  app.get("/:id/tags", async (c) => c.json(toTags(await sandboxes.get(c.get("org"), c.req.param("id")))));

  app.put("/:id/tags", limitBody(SMALL_BODY_BYTES), async (c) => {
    const tags = await readBody(c, labelsSchema);
    return c.json(toTags(await sandboxes.setTags(c.get("org"), c.req.param("id"), tags)));
  });
  return app;
}

async function readWish(c: Context<AppEnv>, parts: AppParts): Promise<SandboxWish> {
  const body = await readBody(c, createSandboxSchema);
  refuseUnsupported(body);
  if (body.templateID && body.templateID !== "base") {
    throw new OpenComputerError("not_found", `template not found: ${body.templateID}; the only one is base`);
  }
  // A snapshot wins over an image, as on the wire; then nobody needs the image's bytes.
  const image = body.image && !body.snapshot ? await takeManifest(c.get("org"), parts.blobs, body.image) : undefined;
  return {
    ...(body.snapshot ? { snapshot: body.snapshot } : {}),
    ...(image ? { image } : {}),
    ...{ envs: body.envs ?? {}, metadata: body.metadata ?? {}, timeoutSeconds: body.timeout ?? 0 },
    ...toSandboxSize(body),
    stepTimeoutMs: (body.stepTimeoutSeconds ?? parts.stepTimeoutSeconds) * 1000,
    ...{ tags: body.tags ?? {}, network: fromNetworkFields(body), owner: body.owner ?? null },
  };
}

/** `?tag=team=core&tag=stage=dev` asks for sandboxes that have both. */
function refuseUnsupported(body: Readonly<Record<string, unknown>>): void {
  const asked = UNSUPPORTED.filter((name) => isSet(body[name]));
  if (asked.length === 0) return;
  const message = `this server has no ${asked.join(", ")}; leave it out, or use a server that has it`;
  throw new OpenComputerError("unsupported", message, { details: { fields: asked } });
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

function toInfo(row: SandboxRow, deadline: number | null): SandboxInfo {
  return {
    ...{ sandboxID: row.id, status: row.status, templateID: "base", fromCheckpointId: row.checkpointId },
    ...(row.snapshot === null ? {} : { snapshot: row.snapshot }),
    ...{ metadata: row.metadata, cpuCount: row.cpuCount, memoryMB: row.memoryMB, timeout: row.timeoutSeconds },
    ...{ tags: row.tags, network: row.network, ...(row.owner === null ? {} : { owner: row.owner }) },
    startedAt: new Date(row.startedAt).toISOString(),
    ...(deadline === null ? {} : { endAt: new Date(deadline).toISOString() }),
  };
}

function toTags({ tags, tagsUpdatedAt }: SandboxRow): z.output<typeof sandboxTagsSchema> {
  return { tags, tagsLastUpdatedAt: tagsUpdatedAt === null ? null : new Date(tagsUpdatedAt).toISOString() };
}
