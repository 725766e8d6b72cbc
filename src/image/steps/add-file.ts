import { z } from "zod";
import { digestSchema } from "../digest";
import type { StepArgs } from "../image-manifest";
import { filePathSchema } from "../image-path";
import { describeOwnership, isExecutable, ownershipFields } from "../ownership";

/** One file, by the digest of its bytes. */
export const addFileSchema = z.strictObject({
  type: z.literal("add_file"),
  args: z
    .strictObject({
      path: filePathSchema,
      digest: digestSchema,
      executable: z.boolean().default(false),
      ...ownershipFields,
    })
    .transform((args) => ({ ...args, executable: isExecutable(args, args.executable) })),
});

/** Its arguments in a summary. */
export function describeAddFile(args: StepArgs<"add_file">): string {
  const ownership = describeOwnership(args);
  return ownership.length === 0 ? args.path : `${args.path} (${ownership.join(", ")})`;
}
