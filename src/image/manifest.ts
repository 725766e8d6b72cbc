import { z } from "zod";
import { invalidInput, type Problem } from "../errors";
import type { ImageManifest } from "./image-manifest";
import { describeValue, inWords } from "./problem-words";
import { MAX_STEPS, stepSchema } from "./step";

/** Builder memory in MiB: room for a compiler, and no typo that asks for a thousand machines. */
export const builderMemorySchema = z.int().min(256).max(262_144);

/**
 * The canonical manifest, version 1: what an image is. Files stand by digest, so a manifest is small and can be hashed,
 * stored, shown and compared; their bytes travel separately.
 */
export const manifestSchema = z.strictObject({
  base: z.literal("base", { error: 'must be "base", the default environment' }),
  steps: z.array(stepSchema).max(MAX_STEPS, `an image has at most ${MAX_STEPS} steps; join some runCommands`),
  builderMemoryMB: builderMemorySchema.optional(),
}) satisfies z.ZodType<ImageManifest>;

/**
 * Checks a manifest from outside and returns it in canonical form.
 *
 * @throws invalid_input listing every problem with its path.
 */
export function parseManifest(input: unknown): ImageManifest {
  return parseWith(manifestSchema, input, "the image manifest");
}

/** Parses with any schema of ours and reports all problems at once. */
export function parseWith<T>(schema: z.ZodType<T>, input: unknown, what: string): T {
  const parsed = schema.safeParse(input, inWords);
  if (parsed.success) return parsed.data;
  throw invalidInput(what, toProblems(parsed.error, input));
}

/**
 * Zod's issues with the paths written as in a program (`steps[2].args.path`) and, with the input that was parsed, the
 * values that stand there; never those of secret places.
 */
export function toProblems(error: z.ZodError, input?: unknown): Problem[] {
  return error.issues.map(({ path, message }) => ({
    path: formatPath(path),
    message: message + describeValue(path, input),
  }));
}

function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
}
