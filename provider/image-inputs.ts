import { z } from "zod";
import { assertNever } from "../src/errors";
import { contentHash, sha256Hex, toCanonicalJson } from "../src/image/hash";
import type { DirEntry, ImageManifest, Step } from "../src/image/image-manifest";
import { manifestSchema } from "../src/image/manifest";
import { summariseStep } from "../src/image/step";
import { type Properties, type ResourceLog, UNKNOWN } from "./context";

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
    files: Object.fromEntries(manifest.steps.flatMap(describeFiles)),
    __manifest: manifest,
  };
}

/** A hash of something unknown would look right and be wrong: all that follows from the image is unknown, too. */
export const UNKNOWN_IMAGE: Properties = { contentHash: UNKNOWN, steps: UNKNOWN, files: UNKNOWN, __manifest: UNKNOWN };

const describedStepsSchema = z.array(z.object({ summary: z.string(), digest: z.string() }));

/** Says the one thing that a reader of the plan wants to know: where the rebuild begins. */
export function explainRebuild(log: ResourceLog, olds: Properties, news: Properties): void {
  const before = describedStepsSchema.safeParse(olds["steps"]);
  const after = describedStepsSchema.safeParse(news["steps"]);
  if (!before.success || !after.success) return;
  const first = after.data.findIndex((step, index) => step.digest !== before.data[index]?.digest);
  const total = after.data.length;
  const step = after.data[first];
  if (step === undefined)
    log.info(`rebuild: the last ${before.data.length - total} steps are gone, ${total} are cached`);
  else {
    const summary = news["__secret"] === true ? "" : `: ${step.summary}`;
    log.info(`rebuild from step ${first + 1} of ${total}${summary} (${first} cached)`);
  }
}

function describeStep(step: Step): Properties {
  const digest = sha256Hex(toCanonicalJson(step)).slice(0, 16);
  return { op: step.type, summary: summariseStep(step), digest };
}

/** Where a file stands in the image, and the beginning of its digest: enough to see in a diff which one changed. */
function describeFiles(step: Step): [path: string, what: string][] {
  if (step.type === "add_file") return [[step.args.path, shortDigest(step.args.digest, step.args.executable)]];
  if (step.type !== "add_dir") return [];
  const { args } = step;
  if ("tree" in args) return [[`${args.path}/`, `tree ${shortDigest(args.tree, false)}`]];
  return args.entries.map((entry) => [`${args.path}/${entry.path}`, describeEntry(entry)]);
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
