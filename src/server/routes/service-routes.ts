import { Hono } from "hono";
import { z } from "zod";
import type { ImagePlan, ServerInfo } from "../../api/records";
import { contentHash, digestOf } from "../../image/hash";
import { toCanonicalManifest } from "../../image/inline-manifest";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readLargeBody } from "../request-body";

const planRequestSchema = z.strictObject({ image: z.unknown() });

/** `/info`, `/plan` and `/gc`: about the server itself, and what it would do. */
export function serviceRoutes({ engine, collection, quotas, version }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get("/info", (c) => c.json({ version, ...engine.describe() } satisfies ServerInfo));
  app.post("/plan", async (c) => {
    const { image } = await readLargeBody(c, planRequestSchema, quotas.limits.maxBodyMB);
    // A plan needs no bytes: those of inline files are hashed and not kept.
    const manifest = await toCanonicalManifest(image, async (bytes) => digestOf(bytes));
    return c.json({ contentHash: contentHash(manifest), ...(await engine.plan(manifest)) } satisfies ImagePlan);
  });
  app.post("/gc", async (c) => c.json(await collection.collect(c.req.query("verify") === "1", c.req.raw.signal)));
  return app;
}

/** `/health` and its like, at the root and without a key: for whoever watches the process. */
export function healthRoutes(): Hono {
  const app = new Hono();
  app.get("/health", (c) => c.json({ status: "ok" }));
  app.get("/healthz", (c) => c.json({ status: "alive" }));
  // The app exists only once the engine is ready, so whoever is answered at all is answered yes.
  app.get("/readyz", (c) => c.json({ status: "ready" }));
  return app;
}
