import { Readable } from "node:stream";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { FileInfo } from "../../api/records";
import type { FileEntry } from "../../engines/engine";
import { OpenComputerError } from "../../errors";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import type { SandboxService } from "../services/sandbox-service";
import { uploadOf } from "../upload";

/** `/sandboxes/:id/files`: bytes in and out, streamed. */
export function fileRoutes({ files, sandboxes }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use("/:id/files", wakeInBackground(sandboxes));
  app.use("/:id/files/*", wakeInBackground(sandboxes));

  app.get("/:id/files", async (c) => {
    const content = await files.read(c.get("org"), c.req.param("id"), pathOf(c), c.req.raw.signal);
    return c.body(toWebStream(content), 200, { "Content-Type": "application/octet-stream" });
  });

  app.put("/:id/files", async (c) => {
    const { content, signal } = uploadOf(c);
    await files.write(c.get("org"), c.req.param("id"), pathOf(c), content, signal);
    return c.body(null, 204);
  });

  app.delete("/:id/files", async (c) => {
    await files.remove(c.get("org"), c.req.param("id"), pathOf(c), c.req.raw.signal);
    return c.body(null, 204);
  });

  app.get("/:id/files/list", async (c) => {
    const path = pathOf(c) || "/";
    return c.json((await files.list(c.get("org"), c.req.param("id"), path, c.req.raw.signal)).map(toInfo));
  });

  app.post("/:id/files/mkdir", async (c) => {
    await files.makeDir(c.get("org"), c.req.param("id"), pathOf(c), c.req.raw.signal);
    return c.body(null, 204);
  });

  return app;
}

/** Who says that they will ask again is told to, instead of waiting until a sandbox is awake. */
function wakeInBackground({ life }: SandboxService): MiddlewareHandler<AppEnv, "/:id/files"> {
  return async (c, next) => {
    const id = c.req.param("id");
    if (c.req.header("x-osb-async-wake") !== "1" || !(await life.isAsleep(c.get("org"), id))) return await next();
    life.wakeInBackground(c.get("org"), id);
    const error = new OpenComputerError("unavailable", `sandbox ${id} is being woken; ask again in a second`);
    return c.json({ ...error.toJSON(), waking: true }, 503, { "Retry-After": "1" });
  };
}

function toWebStream(content: Readable): ReadableStream<Uint8Array> {
  return Readable.toWeb(content) as ReadableStream<Uint8Array>;
}

function pathOf(c: Context): string {
  return c.req.query("path") ?? "";
}

function toInfo({ name, path, isDir, sizeBytes }: FileEntry): FileInfo {
  return { name, path, isDir, size: sizeBytes };
}
