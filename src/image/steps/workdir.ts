import { z } from "zod";
import type { StepArgs } from "../image-manifest";
import { absolutePathSchema } from "../image-path";

/** The directory in which later steps and commands start; made if it is not there. */
export const workdirSchema = z.strictObject({
  type: z.literal("workdir"),
  args: z.strictObject({ path: absolutePathSchema }),
});

/** Its arguments in a summary. */
export function describeWorkdir({ path }: StepArgs<"workdir">): string {
  return path;
}
