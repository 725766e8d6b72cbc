import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { z } from "zod";
import { invalidInput } from "../errors";
import { parseWith } from "../image/manifest";

const MIB = 1024 * 1024;
/** Manifests of the official clients carry their files inside. */
export const MANIFEST_BODY_BYTES = 256 * MIB;
/** Everything else that is JSON: commands, names, lists of digests. */
export const SMALL_BODY_BYTES = 16 * MIB;

/** Refuses a body that is larger, while it is read. */
export function limitBody(maxBytes: number): MiddlewareHandler {
  return bodyLimit({
    maxSize: maxBytes,
    onError: (c) => {
      const message = `is larger than ${maxBytes / MIB} MiB, the most that this endpoint takes`;
      return c.json(invalidInput("the request", [{ path: "body", message }]).toJSON(), 413);
    },
  });
}

/** The JSON of a request, checked. @throws invalid_input with every problem */
export async function readBody<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  return parseWith(schema, await readJson(c), "the request");
}

async function readJson(c: Context): Promise<unknown> {
  const text = await c.req.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = text === "" ? "is empty; this endpoint takes JSON" : `is not JSON: ${String(error)}`;
    throw invalidInput("the request", [{ path: "body", message: reason }]);
  }
}
