import { invalidInput } from "../errors";
import { dirEntriesSchema, MAX_DIR_ENTRIES, MAX_INLINE_ENTRIES } from "./dir-entry";
import { digestOf, toCanonicalJson } from "./hash";
import type { DirEntry, ImageManifest } from "./image-manifest";
import { isExecutable } from "./ownership";

/**
 * Large directories. Up to {@link MAX_INLINE_ENTRIES} entries stand in the manifest; more stand in a tree, which is the
 * canonical JSON of the same entries and travels like the bytes of a file. The rule is the same for everybody who
 * makes a manifest, so that identity does not depend on who made it.
 */

/** A list of entries as bytes, with their digest. */
export interface Tree {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** How a directory's entries stand in a manifest; `tree` is set where its bytes must travel. */
export interface DirContent {
  readonly args: { readonly entries: readonly DirEntry[] } | { readonly tree: string };
  readonly tree?: Tree;
}

/**
 * Puts entries in the form that their number asks for. They are in canonical order already, or made so.
 *
 * @throws invalid_input where they are too many
 */
export function toDirContent(entries: readonly DirEntry[]): DirContent {
  if (entries.length <= MAX_INLINE_ENTRIES) return { args: { entries } };
  assertEntries("entries", entries);
  const bytes = Buffer.from(toCanonicalJson(dirEntriesSchema.parse(entries)));
  const tree = { digest: digestOf(bytes), bytes };
  return { args: { tree: tree.digest }, tree };
}

/** Reads the bytes of a digest whole; trees are lists of names and small. */
export type ReadBlob = (digest: string) => Promise<Uint8Array>;

/**
 * The entries of an `add_dir` step, whichever way they stand in the manifest.
 *
 * @throws whatever `read` throws; invalid_input where the bytes are no tree
 */
export async function entriesOf(args: DirArgs, read: ReadBlob): Promise<readonly DirEntry[]> {
  if ("entries" in args) return args.entries;
  const entries = parseTree(args.tree, Buffer.from(await read(args.tree)));
  if (entries.every((entry) => entry.kind !== "file" || isExecutable(args, entry.executable) === entry.executable)) {
    return entries;
  }
  const message = `has files whose "executable" is not what the mode ${args.mode} says, which decides (docs/manifest.md)`;
  throw invalidInput("the image manifest", [{ path: args.tree, message }]);
}

/** Only the one right spelling counts, and only where a tree is called for: another would be another identity. */
function parseTree(digest: string, bytes: Buffer): readonly DirEntry[] {
  const json = parseJson(bytes);
  if (Array.isArray(json)) assertEntries(digest, json);
  const parsed = dirEntriesSchema.safeParse(json);
  const { tree } = parsed.success ? toDirContent(parsed.data) : {};
  if (parsed.success && tree?.digest === digest) return parsed.data;
  const message = `is no tree: expected the canonical JSON of more than ${MAX_INLINE_ENTRIES} directory entries (docs/manifest.md)`;
  throw invalidInput("the image manifest", [{ path: digest, message }]);
}

/** Before anything is done for each of them. */
function assertEntries(path: string, { length }: readonly unknown[]): void {
  if (length <= MAX_DIR_ENTRIES) return;
  const message = `lists ${length} entries, more than the ${MAX_DIR_ENTRIES} of a directory; add an archive and unpack it`;
  throw invalidInput("the image manifest", [{ path, message }]);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

type DirArgs = Extract<ImageManifest["steps"][number], { type: "add_dir" }>["args"];

/** The digests that a manifest names itself: files and trees, each once. */
export function namedDigests(manifest: ImageManifest): string[] {
  const digests = manifest.steps.flatMap((step) => {
    if (step.type === "add_file") return [step.args.digest];
    if (step.type !== "add_dir") return [];
    return "tree" in step.args ? [step.args.tree] : fileDigests(step.args.entries);
  });
  return [...new Set(digests)];
}

/** All digests that a build needs: those that the manifest names, and those that its trees name. */
export async function allDigests(manifest: ImageManifest, read: ReadBlob): Promise<string[]> {
  const added = await addedFiles(manifest, read);
  const below = added.flatMap(({ files }) => files.map(({ digest }) => digest));
  return [...new Set([...namedDigests(manifest), ...below])];
}

/** What one step adds. */
export interface AddedFiles {
  /** In the image. */
  readonly path: string;
  /** Their paths are relative, and empty where the step adds just a file. */
  readonly files: readonly { readonly path: string; readonly digest: string }[];
}

/** The files of a manifest, those of its trees included, by the steps that add them. */
export async function addedFiles({ steps }: ImageManifest, read: ReadBlob): Promise<AddedFiles[]> {
  const added: AddedFiles[] = [];
  for (const { type, args } of steps) {
    if (type === "add_file") added.push({ path: args.path, files: [{ path: "", digest: args.digest }] });
    if (type !== "add_dir") continue;
    const entries = await entriesOf(args, read);
    added.push({ path: args.path, files: entries.filter((entry) => entry.kind === "file") });
  }
  return added;
}

function fileDigests(entries: readonly DirEntry[]): string[] {
  return entries.flatMap((entry) => (entry.kind === "file" ? [entry.digest] : []));
}
