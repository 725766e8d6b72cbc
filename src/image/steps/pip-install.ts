import { z } from "zod";
import { areArguments, LIST_LIMIT } from "../argument-size";
import type { StepArgs } from "../image-manifest";
import { explainRequirement } from "../pip-requirement";

const requirementSchema = z.string().superRefine((value, context) => {
  const message = explainRequirement(value);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

/** Python packages, in the order in which they are asked for. */
export const pipInstallSchema = z.strictObject({
  type: z.literal("pip_install"),
  args: z.strictObject({ packages: z.array(requirementSchema).refine(areArguments, LIST_LIMIT) }),
});

/** Its arguments in a summary. */
export function describePipInstall({ packages }: StepArgs<"pip_install">): string {
  return packages.join(" ");
}
