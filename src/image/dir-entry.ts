import { z } from "zod";
import { compareBytes } from "./byte-order";
import { digestSchema } from "./digest";
import type { DirEntry } from "./image-manifest";
import { linkTargetSchema, parentsOf, relativePathSchema } from "./image-path";

/** What a directory holds. Only empty directories stand on their own; the others follow from their files. */
export const dirEntrySchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("file"),
    path: relativePathSchema,
    digest: digestSchema,
    executable: z.boolean().default(false),
  }),
  z.strictObject({ kind: z.literal("link"), path: relativePathSchema, target: linkTargetSchema }),
  z.strictObject({ kind: z.literal("dir"), path: relativePathSchema }),
]) satisfies z.ZodType<DirEntry>;

/** Up to here a directory's entries stand in the manifest itself; more stand in a tree (tree.ts). */
export const MAX_INLINE_ENTRIES = 200;

/** The most entries of one directory: of files alone, an image may have half of that. */
export const MAX_DIR_ENTRIES = 200_000;

/** A directory's entries in canonical order (by the bytes of their paths), each path once, and nothing below another. */
export const dirEntriesSchema = z
  .array(dirEntrySchema)
  .transform((entries) => [...entries].sort((a, b) => compareBytes(a.path, b.path)))
  .refine(
    (entries) => entries.every((entry, index) => entry.path !== entries[index - 1]?.path),
    "must not name a path twice",
  )
  .superRefine((entries, context) => {
    for (const message of findOverlaps(entries)) context.addIssue({ code: "custom", message });
  });

/** So many show what is wrong with a list; each names two paths. */
const MAX_OVERLAPS = 20;

/** What cannot be, or would be a second way to say the same: something below a file or link, or below an empty directory. */
function findOverlaps(entries: readonly DirEntry[]): string[] {
  const kinds = new Map(entries.map(({ path, kind }) => [path, kind]));
  const found: string[] = [];
  for (const { path } of entries) {
    for (const parent of parentsOf(path)) {
      const kind = kinds.get(parent);
      if (kind !== undefined) found.push(describeOverlap(kind, parent, path));
      if (found.length === MAX_OVERLAPS) return found;
    }
  }
  return found;
}

function describeOverlap(kind: DirEntry["kind"], parent: string, path: string): string {
  const names = `${JSON.stringify(parent)}, which holds ${JSON.stringify(path)}`;
  return kind === "dir"
    ? `must not list the directory ${names}: only an empty directory stands on its own`
    : `must not make a ${kind} of ${names}`;
}
