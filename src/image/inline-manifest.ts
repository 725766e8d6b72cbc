import { z } from "zod";
import type { Problem } from "../errors";
import { NO_DIGEST } from "./digest";
import { dirEntriesSchema } from "./dir-entry";
import type { ImageManifest } from "./image-manifest";
import { invalidImage } from "./image-problems";
import { manifestSchema, toProblems } from "./manifest";
import { inWords } from "./problem-words";
import { toDirContent } from "./tree";

/**
 * The official clients' form of a manifest: files stand in it as base64. This turns it into the canonical form, where
 * they stand by digest; both forms may be mixed in one manifest.
 */

/** Keeps bytes and says what their digest is. */
export type StoreBytes = (bytes: Uint8Array) => Promise<string>;

/** What the hosted server treats as its default environment. */
const BASE_NAMES: ReadonlySet<unknown> = new Set([undefined, "", "base", "ubuntu", "default"]);

const inlineFileSchema = z.strictObject({
  path: z.unknown(),
  content: z.string("must be text in base64"),
  encoding: z.enum(["base64", ""], 'must be "base64"').optional(),
});

const inlineDirSchema = z.strictObject({
  path: z.unknown(),
  files: z.array(
    z.strictObject({
      relativePath: z.string(),
      content: z.string("must be text in base64"),
      encoding: z.enum(["base64", ""], 'must be "base64"').optional(),
    }),
  ),
});

/**
 * The canonical manifest of either form. Each inline file is decoded and handed to `storeBytes` on its own, in order.
 *
 * @throws invalid_input listing every problem of the whole manifest, with paths as the sender wrote them
 * @example await toCanonicalManifest({ base: "base", steps: [{ type: "add_file",
 *   args: { path: "/a", content: "aGk=", encoding: "base64" } }] }, store)
 */
export async function toCanonicalManifest(input: unknown, storeBytes: StoreBytes): Promise<ImageManifest> {
  const problems: Problem[] = [];
  const canonical = isRecord(input) ? await convertManifest(input, storeBytes, problems) : input;
  const parsed = manifestSchema.safeParse(canonical, inWords);
  if (!parsed.success)
    problems.push(...toProblems(parsed.error, canonical).map((problem) => toSenderPath(problem, input)));
  if (parsed.success && problems.length === 0) return parsed.data;
  throw invalidImage("the image manifest", problems, isRecord(input) ? input["steps"] : undefined);
}

async function convertManifest(input: Fields, storeBytes: StoreBytes, problems: Problem[]): Promise<unknown> {
  // `name` and `runtimeMemoryMB` are the hosted server's; neither says what the image is.
  const { name: _name, runtimeMemoryMB: _memory, ...manifest } = input;
  const base = BASE_NAMES.has(manifest["base"]) ? "base" : manifest["base"];
  if (!Array.isArray(manifest["steps"])) return { ...manifest, base };
  const steps: unknown[] = [];
  for (const [index, step] of manifest["steps"].entries()) {
    steps.push(await convertStep(step, { at: `steps[${index}].args`, storeBytes, problems }));
  }
  return { ...manifest, base, steps };
}

async function convertStep(step: unknown, context: Context): Promise<unknown> {
  if (!isRecord(step) || !isRecord(step["args"])) return step;
  if (isInlineFile(step)) return { ...step, args: await convertFile(step["args"], context) };
  if (isInlineDir(step)) return { ...step, args: await convertDir(step["args"], context) };
  return step;
}

async function convertFile(args: Fields, context: Context): Promise<Fields> {
  const parsed = inlineFileSchema.safeParse(args, inWords);
  if (!parsed.success) return withProblems(parsed.error, args, context, { path: args["path"], digest: NO_DIGEST });
  return { path: parsed.data.path, digest: await storeContent(parsed.data.content, `${context.at}.content`, context) };
}

async function convertDir(args: Fields, context: Context): Promise<Fields> {
  const parsed = inlineDirSchema.safeParse(args, inWords);
  if (!parsed.success) return withProblems(parsed.error, args, context, { path: args["path"], entries: [] });
  const entries: unknown[] = [];
  for (const [index, file] of parsed.data.files.entries()) {
    const digest = await storeContent(file.content, `${context.at}.files[${index}].content`, context);
    entries.push({ kind: "file", path: cleanRelative(file.relativePath), digest });
  }
  const { data: canonical } = dirEntriesSchema.safeParse(entries);
  // What is wrong with the entries is told by the schema of the whole manifest.
  if (canonical === undefined) return { path: parsed.data.path, entries };
  const { args: content, tree } = toDirContent(canonical);
  if (tree !== undefined) await context.storeBytes(tree.bytes);
  return { path: parsed.data.path, ...content };
}

async function storeContent(content: string, at: string, context: Context): Promise<string> {
  const bytes = Buffer.from(content, "base64");
  // Node drops what is not base64 without a word; a length that does not match shows it.
  if (bytes.length !== expectedLength(content)) {
    context.problems.push({ path: at, message: "is not base64 with its padding" });
    return NO_DIGEST;
  }
  return await context.storeBytes(bytes);
}

function withProblems(error: z.ZodError, input: Fields, context: Context, args: Fields): Fields {
  const found = toProblems(error, input);
  context.problems.push(...found.map(({ path, message }) => ({ path: `${context.at}.${path}`, message })));
  return args;
}

/** `./a//b` is `a/b`; anything that leaves the directory is left for the schema to refuse. */
function cleanRelative(path: string): string {
  if (path.startsWith("/")) return path;
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

/** A problem of an inline directory is told where the sender wrote it: `files[0].relativePath`. */
function toSenderPath(problem: Problem, input: unknown): Problem {
  const match = /^steps\[(\d+)\]\.args\.entries(.*)$/.exec(problem.path);
  const steps = isRecord(input) ? input["steps"] : undefined;
  if (match === null || !Array.isArray(steps) || !isInlineDir(steps[Number(match[1])])) return problem;
  const rest = (match[2] ?? "").replace(/\.path$/, ".relativePath");
  return { ...problem, path: `steps[${match[1]}].args.files${rest}` };
}

function expectedLength(base64: string): number {
  if (base64.length % 4 !== 0) return -1;
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}

function isInlineFile(step: unknown): boolean {
  return isRecord(step) && step["type"] === "add_file" && isRecord(step["args"]) && "content" in step["args"];
}

function isInlineDir(step: unknown): boolean {
  return isRecord(step) && step["type"] === "add_dir" && isRecord(step["args"]) && "files" in step["args"];
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Fields = Readonly<Record<string, unknown>>;

interface Context {
  readonly at: string;
  readonly storeBytes: StoreBytes;
  readonly problems: Problem[];
}
