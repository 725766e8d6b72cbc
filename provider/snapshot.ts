import { z } from "zod";
import type { SnapshotInfo } from "../src/api/records";
import { snapshotNameSchema, stepTimeoutSecondsSchema } from "../src/api/schemas";
import { assertNever, isOpenComputerError, OpenComputerError } from "../src/errors";
import { contentHash, sha256Hex, toCanonicalJson } from "../src/image/hash";
import type { DirEntry, ImageManifest, Step } from "../src/image/image-manifest";
import { manifestSchema, toProblems } from "../src/image/manifest";
import { inWords } from "../src/image/problem-words";
import { summariseStep } from "../src/image/step";
import {
  type CheckResult,
  type CreateResult,
  type DiffResult,
  type HandlerContext,
  hasUnknown,
  type Properties,
  type ResourceHandlers,
  type ResourceLog,
  showBuild,
  UNKNOWN,
  visible,
} from "./context";

/**
 * The life of a `Snapshot`. What a change of an input does:
 *
 * | input | change | why |
 * |---|---|---|
 * | image | replace | a snapshot is what its image says; the new one is built before the old one goes |
 * | name (explicit) | replace, deleting first where only the image changed | a name is taken while the old one lives |
 * | name (automatic) | follows the image | so that new and old can live side by side |
 * | stepTimeoutSeconds | update | it concerns the next build, not this snapshot |
 *
 * Inputs whose names begin with two underscores are hidden in every diff: `__manifest` is what create builds,
 * `__autoNamed` says that the name was made here, `__secret` that the image holds a secret of the program, so that its
 * steps are counted in logs and not told.
 */
export const snapshotHandlers: ResourceHandlers = { check, diff, create, read, update, delete: remove };

const inputsSchema = z.strictObject({
  name: snapshotNameSchema.optional(),
  stepTimeoutSeconds: stepTimeoutSecondsSchema.optional(),
  __manifest: manifestSchema,
  __secret: z.boolean().optional(),
  /** Pulumi's own. */
  __provider: z.unknown().optional(),
  /** Places that check fills: they come empty, so that the engine knows whether they are secret. */
  steps: z.unknown().optional(),
  files: z.unknown().optional(),
});

const checkedSchema = z.object({
  name: z.string(),
  contentHash: z.string(),
  stepTimeoutSeconds: z.number().optional(),
  __manifest: manifestSchema,
  __secret: z.boolean().optional(),
});

function check(context: Pick<HandlerContext, "urn">, olds: Properties, news: Properties): CheckResult {
  const unknowns = Object.fromEntries(Object.entries(news).filter(([, value]) => hasUnknown(value)));
  const known = Object.fromEntries(Object.entries(news).filter(([key]) => !(key in unknowns)));
  const schema = "__manifest" in unknowns ? inputsSchema.partial({ __manifest: true }) : inputsSchema;
  const parsed = schema.safeParse(known, inWords);
  if (parsed.success)
    return { inputs: { ...describeInputs(context.urn, parsed.data, olds, news), ...unknowns }, failures: [] };
  const failures = toProblems(parsed.error, known).map(({ path, message }) => ({
    property: path.replace(/^__manifest/, "image"),
    reason: message,
  }));
  return { inputs: news, failures };
}

function describeInputs(
  urn: string,
  parsed: Partial<z.infer<typeof inputsSchema>>,
  olds: Properties,
  news: Properties,
): Properties {
  const { __manifest: manifest, name, __provider: _text, steps: _steps, files: _files, ...rest } = parsed;
  const autoNamed = news["name"] === undefined;
  // A hash of something unknown would look right and be wrong: all that follows from the image is unknown, too.
  if (manifest === undefined) {
    const name = autoNamed ? UNKNOWN : news["name"];
    return { ...rest, name, __autoNamed: autoNamed, contentHash: UNKNOWN, steps: UNKNOWN, files: UNKNOWN };
  }
  const hash = contentHash(manifest);
  return {
    ...rest,
    name: name ?? autoName(urn, olds, hash),
    __autoNamed: autoNamed,
    contentHash: hash,
    steps: describeSteps(manifest),
    files: describeFiles(manifest),
    __manifest: manifest,
  };
}

/**
 * `<logical name>-<7 hex>`. The digits come from URN and content together, so that two stacks with one program do not
 * fight over a name on a shared server. A name that was given stays while the content is the same, even if the URN moves.
 */
function autoName(urn: string, olds: Properties, hash: string): string {
  const kept = olds["name"];
  if (olds["__autoNamed"] === true && olds["contentHash"] === hash && typeof kept === "string") return kept;
  const logical = (urn.split("::").pop() ?? "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return `${(logical || "snapshot").slice(0, 100)}-${sha256Hex(`${urn}\n${hash}`).slice(0, 7)}`;
}

function describeSteps(manifest: ImageManifest): Properties[] {
  return manifest.steps.map((step) => ({
    op: step.type,
    summary: summariseStep(step),
    digest: sha256Hex(toCanonicalJson(step)).slice(0, 16),
  }));
}

/** Where a file stands in the image, and the beginning of its digest: enough to see in a diff which one changed. */
function describeFiles(manifest: ImageManifest): Record<string, string> {
  return Object.fromEntries(manifest.steps.flatMap(describeStepFiles));
}

function describeStepFiles(step: Step): [path: string, what: string][] {
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

function diff(context: Pick<HandlerContext, "log">, olds: Properties, news: Properties): DiffResult {
  const replaces = ["contentHash", "name"].filter((key) => olds[key] !== news[key]);
  if (replaces.includes("contentHash")) explainRebuild(context.log, olds, news);
  return {
    changes: replaces.length > 0 || olds["stepTimeoutSeconds"] !== news["stepTimeoutSeconds"],
    replaces,
    deleteBeforeReplace: replaces.length > 0 && !replaces.includes("name"),
  };
}

const describedStepsSchema = z.array(z.object({ summary: z.string(), digest: z.string() }));

/** Says the one thing that a reader of the plan wants to know: where the rebuild begins. */
function explainRebuild(log: ResourceLog, olds: Properties, news: Properties): void {
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

async function create(context: HandlerContext, inputs: Properties): Promise<CreateResult> {
  const { name, stepTimeoutSeconds, __manifest: manifest, __secret: secret } = checkedSchema.parse(inputs);
  const request = {
    name,
    image: { manifest, findBlob: context.findBlob },
    ...(stepTimeoutSeconds === undefined ? {} : { stepTimeoutSeconds }),
  };
  try {
    const snapshot = await context.api.createSnapshot(request, {
      onBuildLog: showBuild(context.log, secret),
      signal: context.signal,
    });
    return { id: snapshot.id, outs: toOutputs(inputs, snapshot) };
  } catch (error) {
    if (!isOpenComputerError(error, "conflict")) throw error;
    const snapshot = await adopt(context, inputs, error);
    return { id: snapshot.id, outs: toOutputs(inputs, snapshot) };
  }
}

/**
 * The name is taken. By the same content, it is ours: an earlier create that succeeded and was not recorded (the CLI
 * was killed). By anything else, it is somebody's, and we keep our hands off.
 */
async function adopt(context: HandlerContext, inputs: Properties, conflict: OpenComputerError): Promise<SnapshotInfo> {
  const existing = await context.api.getSnapshot(String(inputs["name"]), { signal: context.signal });
  if (existing.contentHash === inputs["contentHash"] && existing.status === "ready") return existing;
  throw new OpenComputerError(
    "conflict",
    `a snapshot named ${existing.name} exists with another content (${existing.contentHash.slice(0, 12)}, ${existing.status}); ` +
      "choose another name, leave the name out, or delete that snapshot first",
    { cause: conflict },
  );
}

async function read(context: HandlerContext, id: string, outs: Properties): Promise<Properties | undefined> {
  try {
    const snapshot = await context.api.getSnapshot(String(outs["name"]), { signal: context.signal });
    // The same name with another id is another snapshot: ours was deleted, and this one is not ours to keep.
    return snapshot.id === id && snapshot.status !== "failed" ? toOutputs(outs, snapshot) : undefined;
  } catch (error) {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  }
}

async function update(_context: unknown, _id: string, olds: Properties, news: Properties): Promise<Properties> {
  return { ...visible(news), record: olds["record"] };
}

async function remove(context: HandlerContext, id: string, outs: Properties): Promise<void> {
  if ((await read(context, id, outs)) === undefined) return;
  await context.api.deleteSnapshot(String(outs["name"]), { signal: context.signal });
}

/** Nothing that moves by itself (lastUsedAt) is an output: it would be drift on every refresh. */
function toOutputs(inputs: Properties, snapshot: SnapshotInfo): Properties {
  return {
    ...visible(inputs),
    contentHash: snapshot.contentHash,
    record: {
      checkpointId: snapshot.checkpointId ?? null,
      status: snapshot.status,
      createdAt: snapshot.createdAt,
    },
  };
}
