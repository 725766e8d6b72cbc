import { z } from "zod";
import { digestSchema } from "../digest";
import { dirEntriesSchema, MAX_INLINE_ENTRIES } from "../dir-entry";
import type { AddDirArgs, DirEntry } from "../image-manifest";
import { absolutePathSchema } from "../image-path";
import { describeOwnership, isExecutable, ownershipFields } from "../ownership";

/** The entries of a directory, or the tree that holds them; never both. */
export const addDirSchema = z.strictObject({
  type: z.literal("add_dir"),
  args: z
    .strictObject({
      path: absolutePathSchema,
      entries: dirEntriesSchema
        .refine(
          ({ length }) => length <= MAX_INLINE_ENTRIES,
          `holds more than ${MAX_INLINE_ENTRIES} entries; use a tree`,
        )
        .optional(),
      tree: digestSchema.optional(),
      ...ownershipFields,
    })
    .refine(
      ({ entries, tree }) => (entries === undefined) !== (tree === undefined),
      "must have either entries or a tree",
    )
    .transform(({ entries, tree, ...rest }) =>
      entries ? { ...rest, entries: withMode(entries, rest.mode) } : { ...rest, tree: tree ?? "" },
    ),
});

/** The entries as a mode leaves them: it decides which files are executable. Without one they stay as they are. */
export function withMode<E extends DirEntry>(entries: readonly E[], mode: string | undefined): E[] {
  return entries.map((entry) =>
    entry.kind === "file" ? { ...entry, executable: isExecutable({ mode }, entry.executable) } : entry,
  );
}

/** Its arguments in a summary. */
export function describeAddDir(args: AddDirArgs): string {
  return `${args.path} (${[countFiles(args), ...describeOwnership(args)].join(", ")})`;
}

function countFiles(args: AddDirArgs): string {
  if ("tree" in args) return `more than ${MAX_INLINE_ENTRIES} entries`;
  const files = args.entries.filter((entry) => entry.kind === "file").length;
  return files === 1 ? "1 file" : `${files} files`;
}
