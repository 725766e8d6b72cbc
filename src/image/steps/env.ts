import { z } from "zod";
import { ARGUMENT_LIMIT, ENVIRONMENT_LIMIT, isArgument, isEnvironment } from "../argument-size";
import type { StepArgs } from "../image-manifest";
import { isUnicode, NOT_UNICODE } from "../unicode";

const nameSchema = z
  .string()
  .regex(/^[A-Za-z0-9_]+$/, "is not an environment variable name; expected letters, digits and _");

const valueSchema = z
  .string()
  .refine((value) => !value.includes("\0"), "must not contain a NUL byte")
  .refine(isUnicode, NOT_UNICODE);

/** A map of environment variables; values may hold anything but NUL, quotes and newlines included. */
export const envSchema = z
  .preprocess(
    (vars, context) => {
      // A record leaves it out without a word.
      const isLost = typeof vars === "object" && vars !== null && Object.hasOwn(vars, "__proto__");
      if (isLost) context.addIssue({ code: "custom", message: "must not name __proto__, which no object can hold" });
      return vars;
    },
    z.record(nameSchema, valueSchema),
  )
  .superRefine((vars, context) => {
    for (const [name, value] of Object.entries(vars)) {
      if (isArgument(`${name}=${value}`)) continue;
      context.addIssue({ code: "custom", path: [name], message: `must have, with its name, ${ARGUMENT_LIMIT}` });
    }
    if (!isEnvironment(vars)) context.addIssue({ code: "custom", message: ENVIRONMENT_LIMIT });
  });

/** Environment variables for later steps and for everything in a sandbox. */
export const envStepSchema = z.strictObject({ type: z.literal("env"), args: z.strictObject({ vars: envSchema }) });

/** Its names in a summary; a log is no place for values. */
export function describeEnv({ vars }: StepArgs<"env">): string {
  return Object.keys(vars).sort().join(" ");
}
