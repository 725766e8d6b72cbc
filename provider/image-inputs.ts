import { z } from "zod";
import { assertNever } from "../src/errors";
import { contentHash } from "../src/image/hash";
import type { DirEntry, ImageManifest, Step } from "../src/image/image-manifest";
import { manifestSchema } from "../src/image/manifest";
import { describeStep } from "../src/image/step-description";
import { type Properties, type ResourceLog, UNKNOWN } from "./context";
import { describeRebuild } from "./rebuild";

/** The inputs that stand for an image, as the hosts hand them over. */
export const imageInputs = {
  __manifest: manifestSchema,
  __secret: z.boolean().optional(),
  /** Places that check fills: they come empty, so that the engine knows whether they are secret. */
  steps: z.unknown().optional(),
  files: z.unknown().optional(),
};

/** What a reader of a plan must know of an image: its identity, its steps, and which file has which bytes. */
export function describeImage(manifest: ImageManifest): Properties {
  return {
    contentHash: contentHash(manifest),
    steps: manifest.steps.map(describeStep),
    files: describeFiles(manifest),
    __manifest: manifest,
  };
}

/** A hash of something unknown would look right and be wrong: all that follows from the image is unknown, too. */
export const UNKNOWN_IMAGE: Properties = { contentHash: UNKNOWN, steps: UNKNOWN, files: UNKNOWN, __manifest: UNKNOWN };

/** Says the one thing that a reader of the plan wants to know: where the rebuild begins. */
export function explainRebuild(log: ResourceLog, olds: Properties, news: Properties): void {
  const line = describeRebuild(olds, news, news["__secret"] === true);
  if (line !== undefined) log.info(line);
}

/** By path; of one that is added twice, both. */
function describeFiles(manifest: ImageManifest): Record<string, string> {
  const files = new Map<string, string>();
  for (const [path, what] of manifest.steps.flatMap(describeStepFiles)) {
    const before = files.get(path);
    files.set(path, before === undefined ? what : `${before}, then ${what}`);
  }
  return Object.fromEntries(files);
}

/** Where a file stands in the image, and the beginning of its digest: enough to see in a diff which one changed. */
function describeStepFiles(step: Step): [path: string, what: string][] {
  if (step.type === "add_file") return [[step.args.path, shortDigest(step.args.digest, step.args.executable)]];
  if (step.type !== "add_dir") return [];
  const { args } = step;
  const root = args.path === "/" ? "" : args.path;
  if ("tree" in args) return [[`${root}/`, `tree ${shortDigest(args.tree, false)}`]];
  return args.entries.map((entry) => [`${root}/${entry.path}`, describeEntry(entry)]);
}

function describeEntry(entry: DirEntry): string {
  switch (entry.kind) {
    case "file":
      return shortDigest(entry.digest, entry.executable);
    case "link":
      return `link to ${entry.target}`;
    case "dir":
      return "empty directory";
    default:
      return assertNever(entry);
  }
}

function shortDigest(digest: string, executable: boolean): string {
  return `${digest.slice(0, "sha256:".length + 12)}${executable ? " executable" : ""}`;
}
