import { type Context, Hono } from "hono";
import { z } from "zod";
import type { SandboxInfo } from "../../api/records";
import { createSandboxFieldsSchema, setTimeoutRequestSchema, snapshotNameSchema } from "../../api/schemas";
import { OpenComputerError } from "../../errors";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
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
const UNSUPPORTED = ["secretStore", "previewAuth", "webhooks", "networkEnabled", "egressAllowlist"] as const;

const createSandboxSchema = z.strictObject({
  ...createSandboxFieldsSchema,
  ...ignoredFields,
  ...Object.fromEntries(UNSUPPORTED.map((name) => [name, z.unknown().optional()])),
  // On the wire a negative timeout is 0, never; our own clients do not send one.
  timeout: z.preprocess(
    (seconds) => (Number.isInteger(seconds) ? Math.max(Number(seconds), 0) : seconds),
    createSandboxFieldsSchema.timeout,
  ),
  templateID: z.string().optional(),
  snapshot: snapshotNameSchema.optional(),
  image: z.looseObject({}).optional(),
});

/** `/sandboxes`: their life. */
export function sandboxRoutes(parts: AppParts): Hono<AppEnv> {
  const { sandboxes, log } = parts;
  const app = new Hono<AppEnv>();
  const toBody = (row: SandboxRow) => toInfo(row, sandboxes.deadlineOf(row));

  app.post("/", limitBody(MANIFEST_BODY_BYTES), async (c) => {
    const org = c.get("org");
    const wish = await readWish(c, parts);
    const fromImage = wish.image !== undefined || wish.snapshot !== undefined;
    const begin = (signal: AbortSignal) => sandboxes.create(org, wish, signal);
    if (fromImage && wantsEvents(c)) return streamProgress(c, { begin, toBody, log });
    return c.json(toBody(await drain(begin(c.req.raw.signal))), 201);
  });

  app.get("/", async (c) => c.json((await sandboxes.list(c.get("org"))).map(toBody)));

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
  };
}

function refuseUnsupported(body: Readonly<Record<string, unknown>>): void {
  const asked = UNSUPPORTED.filter((name) => isSet(body[name]) && !(name === "networkEnabled" && body[name] === true));
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
    startedAt: new Date(row.startedAt).toISOString(),
    ...(deadline === null ? {} : { endAt: new Date(deadline).toISOString() }),
  };
}
