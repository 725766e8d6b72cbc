import { Hono } from "hono";
import type { ServerInfo } from "../../api/records";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";

/** `/info` and `/gc`: about the server itself. */
export function serviceRoutes({ engine, collection, version }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get("/info", (c) => c.json({ version, ...engine.describe() } satisfies ServerInfo));
  app.post("/gc", async (c) => c.json(await collection.collect()));
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
