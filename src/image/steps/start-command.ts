import { z } from "zod";
import { commandSchema } from "../command";
import type { StepArgs } from "../image-manifest";

/** A service of every sandbox. A limit of the waiting says nothing where nobody waits. */
export const startCommandSchema = z.strictObject({
  type: z.literal("start_command"),
  args: z
    .strictObject({
      command: commandSchema,
      readyCommand: commandSchema.optional(),
      readyTimeoutSeconds: z.int().min(1).max(3_600).optional(),
    })
    .refine(
      ({ readyCommand, readyTimeoutSeconds }) => readyCommand !== undefined || readyTimeoutSeconds === undefined,
      {
        path: ["readyTimeoutSeconds"],
        message: "needs a readyCommand: without one a sandbox is ready as soon as the command was started",
      },
    ),
});

/** Its arguments in a summary. */
export function describeStartCommand(args: StepArgs<"start_command">): string {
  const { command, readyCommand, readyTimeoutSeconds } = args;
  if (readyCommand === undefined) return command;
  const limit = readyTimeoutSeconds === undefined ? "" : ` within ${readyTimeoutSeconds} s`;
  return `${command} (ready${limit} when: ${readyCommand})`;
}
