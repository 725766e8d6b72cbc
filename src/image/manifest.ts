import { z } from "zod";
import { invalidInput, type Problem } from "../errors";
import type { ImageManifest } from "./image-manifest";
import { invalidImage } from "./image-problems";
import { describeValue, inWords } from "./problem-words";
import { stepSchema } from "./step";
import { findEarlyStarts, findLargeEnvironment, findStepConflicts } from "./step-conflicts";

/** The most steps an image may have: each is a layer, and an overlay mount names every layer. */
const MAX_STEPS = 100;
/** Of so many steps not even the first problems are worth telling. */
const MAX_CHECKED_STEPS = 10 * MAX_STEPS;
const TOO_MANY_STEPS = `an image has at most ${MAX_STEPS} steps; join some runCommands`;

/** Builder memory in MiB: room for a compiler, and no typo that asks for a thousand machines. */
export const builderMemorySchema = z.int().min(256).max(262_144);

/**
 * With what concerns the steps together, told beside what is wrong with each: so also where some of them are
 * none, as long as no rule of theirs aborts.
 */
const stepsSchema = z
  .array(stepSchema)
  .max(MAX_CHECKED_STEPS, TOO_MANY_STEPS)
  .superRefine(
    (steps, context) => {
      if (steps.length > MAX_CHECKED_STEPS) return;
      if (steps.length > MAX_STEPS) context.addIssue({ code: "custom", message: TOO_MANY_STEPS });
      const conflicts = [...findEarlyStarts(steps), ...findStepConflicts(steps), ...findLargeEnvironment(steps)];
      for (const { path, message } of conflicts) context.addIssue({ code: "custom", path, message });
    },
    { when: ({ value }) => Array.isArray(value) },
  );

/**
 * The canonical manifest, version 1: what an image is. Files stand by digest, so a manifest is small and can be hashed,
 * stored, shown and compared; their bytes travel separately.
 */
export const manifestSchema = z.strictObject({
  version: z.literal(1, { error: "must be 1: this release knows no other version of manifests" }).optional(),
  base: z.literal("base", { error: 'must be "base", the default environment' }),
  steps: stepsSchema,
  builderMemoryMB: builderMemorySchema.optional(),
}) satisfies z.ZodType<ImageManifest>;

/**
 * Checks a manifest from outside and returns it in canonical form.
 *
 * @throws invalid_input listing every problem with its path and step.
 */
export function parseManifest(input: unknown): ImageManifest {
  const parsed = manifestSchema.safeParse(input, inWords);
  if (parsed.success) return parsed.data;
  const steps: unknown = typeof input === "object" && input !== null ? Reflect.get(input, "steps") : undefined;
  throw invalidImage("the image manifest", toProblems(parsed.error, input), steps);
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
