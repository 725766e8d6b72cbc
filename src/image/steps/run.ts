import { z } from "zod";
import { areArguments, LIST_LIMIT } from "../argument-size";
import { commandSchema } from "../command";
import type { StepArgs } from "../image-manifest";

/** Shell commands, which one shell runs one after the other. */
export const runSchema = z.strictObject({
  type: z.literal("run"),
  args: z.strictObject({ commands: z.array(commandSchema).refine(areArguments, LIST_LIMIT) }),
});

/** Its arguments in a summary. */
export function describeRun({ commands }: StepArgs<"run">): string {
  return commands.join(" && ");
}
