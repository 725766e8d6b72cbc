import { Hono } from "hono";
import { z } from "zod";
import { missingBlobsRequestSchema } from "../../api/schemas";
import { digestSchema } from "../../image/digest";
import { MAX_FILE_BYTES } from "../../image/image-size";
import { parseWith } from "../../image/manifest";
import type { AppParts } from "../app";
import type { AppEnv } from "../auth";
import { readBody, tooLarge } from "../request-body";
import { uploadOf } from "../upload";

/** How much the client leaves out because it has arrived; absent, the bytes are whole. */
const offsetSchema = z
  .string()
  .regex(/^\d{1,15}$/, "must be a number of bytes")
  .default("0")
  .transform(Number);

/** `/blobs`: the bytes of images' files, brought before the manifest that names them. There is no way to read them back. */
export function blobRoutes({ blobs }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post("/missing", async (c) => {
    const { digests } = await readBody(c, missingBlobsRequestSchema);
    return c.json(await blobs.missing(c.get("org"), digests));
  });

  app.put("/:digest", async (c) => {
    const digest = parseWith(digestSchema, c.req.param("digest"), "the digest");
    const offset = parseWith(offsetSchema, c.req.query("offset"), "the offset");
    const announcedBytes = Number(c.req.header("content-length") ?? 0);
    if (offset + announcedBytes > MAX_FILE_BYTES) throw tooLarge(offset + announcedBytes, MAX_FILE_BYTES);
    await blobs.put(c.get("org"), { digest, offset, announcedBytes, ...uploadOf(c) });
    return c.body(null, 204);
  });

  return app;
}
