import { z } from "zod";
import { ARGUMENT_LIMIT, isArgument } from "../argument-size";
import type { StepArgs } from "../image-manifest";

const commandSchema = z
  .string()
  .min(1, "must not be empty")
  .refine((command) => !command.includes("\0"), "must not contain a NUL byte")
  .refine(isArgument, `must have ${ARGUMENT_LIMIT}; add a script with addFile and run that`);

/** Shell commands, which one shell runs one after the other. */
export const runSchema = z.strictObject({
  type: z.literal("run"),
  args: z.strictObject({ commands: z.array(commandSchema) }),
});

/** Its arguments in a summary. */
export function describeRun({ commands }: StepArgs<"run">): string {
  return commands.join(" && ");
}
