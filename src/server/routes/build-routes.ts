import { Hono } from "hono";
import type { BuildInfo } from "../../api/records";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readFrom, streamProgress } from "../sse";
import type { BuildRow } from "../store/store";

/** `/builds`: what was built, what is being built, and the logs. */
export function buildRoutes({ history, log }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get("/", async (c) => c.json((await history.list(c.get("org"))).map(toInfo)));

  app.get("/:id/log", async (c) => {
    const org = c.get("org");
    const range = { from: readFrom(c.req.query("from")), follow: c.req.query("follow") !== "0" };
    const build = await history.get(org, c.req.param("id"));
    return streamProgress(c, { begin: (signal) => history.read(org, build, range, signal), toBody: toInfo, log });
  });
  return app;
}

function toInfo(row: BuildRow): BuildInfo {
  return {
    ...{ id: row.id, status: row.status, contentHash: row.contentHash },
    ...(row.name === null ? {} : { name: row.name }),
    startedAt: new Date(row.startedAt).toISOString(),
    ...(row.finishedAt === null ? {} : { finishedAt: new Date(row.finishedAt).toISOString() }),
    ...(row.error === null ? {} : { error: row.error.error }),
  };
}
