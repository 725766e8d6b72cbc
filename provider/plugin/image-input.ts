import { z } from "zod";
import { assertNever, isOpenComputerError, type Problem } from "../../src/errors";
import { Image, type ResolvedImage } from "../../src/image/image";
import type { Step } from "../../src/image/image-manifest";
import { toProblems } from "../../src/image/manifest";
import type { FileOptions } from "../../src/image/place";
import { inWords } from "../../src/image/problem-words";
import { type CheckFailure, hasUnknown, UNKNOWN } from "../context";
import { problemsOf } from "./problems";

/**
 * The input `image` of a program that has no `Image` class: a manifest (docs/manifest.md), whose steps may also say what
 * of this machine is added. Those become steps by digest here, so that neither bytes nor absolute paths stand in the
 * state, and the identity is the one that every other door computes.
 */
export interface ImageInput {
  /** The image with all files by digest; what is unknown stands as it came. */
  readonly image: unknown;
  /** What a handler takes for the manifest: the image, or unknown as a whole. */
  readonly manifest: unknown;
  readonly failures: readonly CheckFailure[];
  /** Where the bytes of the local files are. */
  readonly findBlob: ResolvedImage["findBlob"];
}

const placeSchema = {
  path: z.string(),
  mode: z.union([z.string(), z.int().min(0).max(0o7777)]).optional(),
  owner: z.string().optional(),
};

/** Steps that only a program knows: relative paths start at the project's folder. */
export const localStepSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("add_local_file"),
    args: z.strictObject({ localPath: z.string().min(1), ...placeSchema }),
  }),
  z.strictObject({
    type: z.literal("add_local_dir"),
    args: z.strictObject({
      localPath: z.string().min(1),
      ...placeSchema,
      ignore: z.array(z.string()).optional(),
      include: z.array(z.string()).optional(),
      followSymlinks: z.boolean().optional(),
    }),
  }),
  z.strictObject({ type: z.literal("add_content"), args: z.strictObject({ content: z.string(), ...placeSchema }) }),
]);

type LocalStep = z.infer<typeof localStepSchema>;

/** Reads what the steps of an image name on this machine. All problems are reported, with the numbers of their steps. */
export function readImageInput(input: unknown): ImageInput {
  const image = isRecord(input) ? { base: "base", ...input } : input;
  if (!isRecord(image) || !Array.isArray(image["steps"])) return toImageInput(image, [], () => undefined);
  const steps: readonly unknown[] = image["steps"];
  const problems: Problem[] = [];
  const report = (index: number, one: Problem) =>
    problems.push({ ...one, path: `image.steps[${index}]${one.path && `.${one.path}`}` });
  const local = steps.map((step, index) => parseLocal(step, (one) => report(index, one)));
  const resolved = resolveLocal(local, report);
  // A step that cannot be read keeps its place, so that the others are checked under their own numbers.
  const read = steps.map((step, index) => resolved.steps.get(index) ?? (isLocal(step) ? NOTHING : step));
  return toImageInput({ ...image, steps: read }, problems, resolved.findBlob);
}

const NOTHING = { type: "workdir", args: { path: "/" } };

function toImageInput(image: unknown, problems: readonly Problem[], findBlob: ResolvedImage["findBlob"]): ImageInput {
  return {
    image,
    manifest: hasUnknown(image) ? UNKNOWN : image,
    failures: problems.map(({ path, message }) => ({ property: path, reason: message })),
    findBlob,
  };
}

/** Whether a step is for us to read: one that holds something unknown waits until that is known. */
function isLocal(step: unknown): boolean {
  return isRecord(step) && LOCAL_TYPES.has(step["type"]) && !hasUnknown(step);
}

const LOCAL_TYPES: ReadonlySet<unknown> = new Set(["add_local_file", "add_local_dir", "add_content"]);

function parseLocal(step: unknown, report: (problem: Problem) => void): LocalStep | undefined {
  if (!isLocal(step)) return undefined;
  const parsed = localStepSchema.safeParse(step, inWords);
  if (!parsed.success) toProblems(parsed.error, step).forEach(report);
  return parsed.data;
}

interface ResolvedSteps {
  readonly steps: ReadonlyMap<number, Step>;
  readonly findBlob: ResolvedImage["findBlob"];
}

/**
 * All of them in one image, which counts their sizes together and reports all that is wrong with any. The others keep
 * their places in it as commands do, which may do anything.
 */
function resolveLocal(
  local: readonly (LocalStep | undefined)[],
  report: (index: number, problem: Problem) => void,
): ResolvedSteps {
  try {
    const image = local.reduce((whole, step) => (step ? addStep(whole, step) : whole.runCommands()), Image.base());
    const { manifest, findBlob } = image.resolve();
    const steps = manifest.steps.flatMap((step, index) => (local[index] ? [[index, step] as const] : []));
    return { steps: new Map(steps), findBlob };
  } catch (error) {
    if (!isOpenComputerError(error, "invalid_input")) throw error;
    for (const { path, message } of problemsOf(error)) {
      const [, index = 0, rest = ""] = /^steps\[(\d+)\]\.?(.*)$/s.exec(path) ?? [];
      report(Number(index), { path: rest, message });
    }
    return { steps: new Map(), findBlob: () => undefined };
  }
}

function addStep(image: Image, { type, args }: LocalStep): Image {
  switch (type) {
    case "add_local_file":
      return image.addLocalFile(args.localPath, args.path, toOptions(args));
    case "add_local_dir":
      return image.addLocalDir(args.localPath, args.path, {
        ...toOptions(args),
        ...(args.ignore === undefined ? {} : { ignore: args.ignore }),
        ...(args.include === undefined ? {} : { include: args.include }),
        ...(args.followSymlinks === undefined ? {} : { followSymlinks: args.followSymlinks }),
      });
    case "add_content":
      return image.addFile(args.path, args.content, toOptions(args));
    default:
      return assertNever(type);
  }
}

function toOptions({ mode, owner }: FileOptions): FileOptions {
  return { ...(mode === undefined ? {} : { mode }), ...(owner === undefined ? {} : { owner }) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
