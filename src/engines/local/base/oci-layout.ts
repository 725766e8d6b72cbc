import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { OpenComputerError } from "../../../errors";

const descriptorSchema = z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) });
const indexSchema = z.object({ manifests: z.array(descriptorSchema).length(1) });
const manifestSchema = z.object({ layers: z.array(descriptorSchema).max(1_000) });

/**
 * The files of an image's layers in a layout of one image, lowest first.
 *
 * @throws invalid_input where it is no image
 */
export async function layerFiles(layout: string): Promise<string[]> {
  const blob = ({ digest }: { digest: string }) => join(layout, "blobs", "sha256", digest.slice("sha256:".length));
  const [image] = (await read(indexSchema, join(layout, "index.json"))).manifests;
  if (image === undefined) return [];
  return (await read(manifestSchema, blob(image))).layers.map(blob);
}

async function read<T>(schema: z.ZodType<T>, file: string): Promise<T> {
  const parsed = schema.safeParse(JSON.parse(await readFile(file, "utf8")));
  if (parsed.success) return parsed.data;
  const message = "the image is none of files in layers; choose another OPENCOMPUTER_BASE";
  throw new OpenComputerError("invalid_input", message, { cause: parsed.error });
}
