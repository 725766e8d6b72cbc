import { z } from "zod";
import { commandSchema } from "../command";
import type { StepArgs } from "../image-manifest";

/** Shell commands, which one shell runs one after the other. */
export const runSchema = z.strictObject({
  type: z.literal("run"),
  args: z.strictObject({ commands: z.array(commandSchema) }),
});

/** Its arguments in a summary. */
export function describeRun({ commands }: StepArgs<"run">): string {
  return commands.join(" && ");
}
