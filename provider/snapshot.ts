import { z } from "zod";
import type { CreateSnapshotRequest } from "../src/api/contract";
import type { SnapshotInfo } from "../src/api/records";
import {
  labelsSchema,
  retentionSchema,
  snapshotNameSchema,
  stepTimeoutSecondsSchema,
  warmPoolSchema,
} from "../src/api/schemas";
import { isOpenComputerError, OpenComputerError } from "../src/errors";
import { builderMemorySchema, manifestSchema } from "../src/image/manifest";
import { toAutoName } from "./auto-name";
import { explainFailure, showBuild } from "./build-progress";
import {
  type CheckFailure,
  type CheckResult,
  type CreateResult,
  type DiffResult,
  type HandlerContext,
  type PlanContext,
  type Properties,
  UNKNOWN,
  visible,
} from "./context";
import { describeImage, explainRebuild, imageInputs, UNKNOWN_IMAGE } from "./image-inputs";
import { parseInputs, withDefaults } from "./inputs";
import { isSame } from "./is-same";
import { withRecordedAddress } from "./recorded-address";
import { isKeptOtherwise, toChange } from "./snapshot-change";
import { hasContent } from "./snapshot-content";
import { hasVersions, toOutputs } from "./snapshot-outputs";
import { isOwnedBy, nextOwner, recordedOwner } from "./snapshot-owner";
import { toRef } from "./snapshot-result";

/**
 * The life of a `Snapshot`. What a change of an input does:
 *
 * | input | change | why |
 * |---|---|---|
 * | image, name automatic | replace | the name follows the image: the new one is built before the old one goes |
 * | image, name explicit | update: a new version | built first, then the name moves at once; the old one stays for a rollback |
 * | the same, on a server without versions | replace, deleting first | the name is taken while the old one lives |
 * | name, endpoint | replace | it is another snapshot |
 * | labels, retention, warmPool | update, nothing is built | the server keeps them with the name |
 * | stepTimeoutSeconds, buildTimeoutSeconds, builderMemoryMB | update, nothing runs | they concern the next build |
 * | adopt | update, nothing runs | it concerns creation |
 *
 * Whether the server has versions is known from its recorded answer (`record.version`). Inputs that begin with two
 * underscores are hidden in every diff: `__manifest` is what create builds, `__autoNamed` says that the name was made
 * here, `__secret` that the image holds a secret, so that its steps are counted in logs and not told.
 */
export const snapshotHandlers = withRecordedAddress({ check, diff, create, read, update, delete: remove });

const fields = {
  name: snapshotNameSchema.optional(),
  labels: labelsSchema.optional(),
  retention: retentionSchema.optional(),
  warmPool: warmPoolSchema.optional(),
  builderMemoryMB: builderMemorySchema.optional(),
  stepTimeoutSeconds: stepTimeoutSecondsSchema.optional(),
  buildTimeoutSeconds: z.int().min(1).max(604_800).optional(),
  adopt: z.boolean().optional(),
  endpoint: z.string().min(1).optional(),
};
/** What a program may say. */
export const snapshotInputsSchema = z.strictObject({ ...fields, ...imageInputs }).partial();
const checkedSchema = z.object({
  ...fields,
  name: snapshotNameSchema,
  contentHash: z.string(),
  __manifest: manifestSchema,
  __secret: z.boolean().optional(),
});
type Checked = z.infer<typeof checkedSchema>;

function check({ urn, config }: PlanContext, olds: Properties, news: Properties): CheckResult {
  const merged = withDefaults(news, "labels", config.defaultLabels);
  const { known, unknown, failures } = parseInputs(snapshotInputsSchema, merged);
  if (known === undefined) return { inputs: news, failures };
  const { __manifest: manifest, ...rest } = known;
  if (manifest === undefined && !("__manifest" in unknown)) return { inputs: news, failures: [NO_IMAGE] };
  const autoNamed = news["name"] === undefined;
  if (manifest === undefined) {
    const name = autoNamed ? UNKNOWN : news["name"];
    return { inputs: { ...rest, ...unknown, name, __autoNamed: autoNamed, ...UNKNOWN_IMAGE, ref: UNKNOWN }, failures };
  }
  const image = describeImage(manifest);
  const hash = String(image["contentHash"]);
  const name = autoNamed ? autoName(urn, olds, hash) : String(news["name"]);
  const ref = name === UNKNOWN ? UNKNOWN : toRef(name, hash);
  return { inputs: { ...rest, ...unknown, name, __autoNamed: autoNamed, ...image, ref }, failures };
}

const NO_IMAGE: CheckFailure = { property: "image", reason: "is missing: it says what the snapshot contains" };

/** Its digits follow URN and content. A name that was given stays while the content is the same, even if the URN moves. */
function autoName(urn: string, olds: Properties, hash: string): string {
  const kept = olds["name"];
  if (olds["__autoNamed"] === true && olds["contentHash"] === hash && typeof kept === "string") return kept;
  return toAutoName(urn, hash, "snapshot");
}

/** Inputs whose change leaves the snapshot as it is, beside those that the server keeps with the name. */
const UPDATING = ["builderMemoryMB", "stepTimeoutSeconds", "buildTimeoutSeconds", "adopt"];

function diff({ log }: PlanContext, olds: Properties, news: Properties): DiffResult {
  const rebuilt = olds["contentHash"] !== news["contentHash"];
  if (rebuilt) explainRebuild(log, olds, news);
  const moved = ["name", "endpoint"].filter((key) => olds[key] !== news[key]);
  const inPlace = moved.length === 0 && news["__autoNamed"] === false && hasVersions(olds);
  const replaces = [...(rebuilt && !inPlace ? ["contentHash"] : []), ...moved];
  return {
    changes:
      rebuilt ||
      replaces.length > 0 ||
      isKeptOtherwise(olds, news) ||
      UPDATING.some((key) => !isSame(olds[key], news[key])),
    replaces,
    deleteBeforeReplace: replaces.length > 0 && moved.length === 0,
  };
}

async function create(context: HandlerContext, inputs: Properties): Promise<CreateResult> {
  const checked = checkedSchema.parse(inputs);
  const existing = await find(context, checked.name);
  const snapshot =
    existing?.status === "ready" ? await adopt(context, checked, existing) : await make(context, checked);
  const isLost = snapshot.version === undefined && isKeptOtherwise({}, inputs);
  if (isLost) context.log.warn(`this server keeps no ${KEPT_WITH_NAME}: they stand in the stack's state only`);
  return { id: snapshot.id, outs: toOutputs(inputs, snapshot) };
}

const KEPT_WITH_NAME = "labels, retention and warm pool";

async function make(context: HandlerContext, checked: Checked): Promise<SnapshotInfo> {
  try {
    return await build(context, checked, { owner: nextOwner(context.urn) });
  } catch (error) {
    // Somebody was faster.
    const existing = isOpenComputerError(error, "conflict") ? await find(context, checked.name) : undefined;
    if (existing === undefined) throw error;
    return await adopt(context, checked, existing);
  }
}

async function find({ api, signal }: HandlerContext, name: string): Promise<SnapshotInfo | undefined> {
  try {
    return await api.getSnapshot(name, { signal });
  } catch (error) {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  }
}

/**
 * The name is taken. With the same content and by this resource, it is ours: an earlier create that succeeded and was
 * not recorded (the CLI was killed), or the old one of a replacement that the user forces. Somebody else's is taken over
 * only where the program says so. A server without versions says no owner; there the content decides alone.
 *
 * What is found is claimed anew, so that a delete of the old one, today or in a later run, knows that it has gone over.
 */
async function adopt(context: HandlerContext, checked: Checked, existing: SnapshotInfo): Promise<SnapshotInfo> {
  const { api, urn, signal } = context;
  const hasSameContent = existing.status === "ready" && (await hasContent(existing, checked.contentHash));
  const isOurs = existing.version === undefined || isOwnedBy(urn, existing.owner);
  const mayTake = checked.adopt === true && (hasSameContent || existing.version !== undefined);
  if (!mayTake && !(hasSameContent && isOurs)) throw taken(existing, hasSameContent);
  if (existing.version === undefined) return keepUnclaimed(api, existing);
  await build(context, checked, { ifExists: "version", owner: nextOwner(urn, existing.owner) });
  return await api.updateSnapshot(checked.name, toChange(checked, existing.warmPool), { signal });
}

/** Snapshots that a create found on a server that keeps no owner: only this process knows that they are in use again. */
const unclaimed = new WeakMap<object, Set<string>>();

function keepUnclaimed(api: object, existing: SnapshotInfo): SnapshotInfo {
  unclaimed.set(api, (unclaimed.get(api) ?? new Set()).add(existing.id));
  return existing;
}

function taken(existing: SnapshotInfo, hasSameContent: boolean): OpenComputerError {
  const content = hasSameContent ? "the same content and another owner" : "another content";
  const takeOver = existing.version === undefined ? "" : "set adopt: true to take it over, ";
  return new OpenComputerError(
    "conflict",
    `a snapshot named ${existing.name} exists with ${content} (${existing.contentHash.slice(0, 12)}, ${existing.status}); ` +
      `${takeOver}choose another name, leave the name out, or delete that snapshot first`,
  );
}

type Naming = Pick<CreateSnapshotRequest, "ifExists" | "owner">;

async function build(context: HandlerContext, checked: Checked, naming: Naming): Promise<SnapshotInfo> {
  const { api, log, config, findBlob, signal } = context;
  const { name, labels, retention, warmPool, builderMemoryMB, stepTimeoutSeconds, buildTimeoutSeconds } = checked;
  const manifest = builderMemoryMB === undefined ? checked.__manifest : { ...checked.__manifest, builderMemoryMB };
  const options = { labels, retention, warmPool, stepTimeoutSeconds, buildTimeoutSeconds, ...naming };
  const request = { name, image: { manifest, findBlob }, ...options };
  const progress = showBuild(log, { logLevel: config.logLevel, secret: checked.__secret === true });
  try {
    const snapshot = await api.createSnapshot(request, { onBuildLog: progress.onBuildLog, signal });
    progress.summarise();
    return snapshot;
  } catch (error) {
    throw explainFailure(error);
  }
}

async function read(context: HandlerContext, id: string, outs: Properties): Promise<Properties | undefined> {
  const snapshot = await find(context, String(outs["name"]));
  // The same name with another id is another snapshot: ours was deleted, and this one is not ours to keep.
  if (snapshot?.id !== id || snapshot.status === "failed") return undefined;
  return toOutputs(outs, { ...snapshot, owner: recordedOwner(outs) });
}

async function update(context: HandlerContext, _id: string, olds: Properties, news: Properties): Promise<Properties> {
  const { api, urn, log, signal } = context;
  const checked = checkedSchema.parse(news);
  const { name, contentHash } = checked;
  const naming = { ifExists: "version", owner: nextOwner(urn, recordedOwner(olds)) } as const;
  const built = olds["contentHash"] === contentHash ? undefined : await build(context, checked, naming);
  const outs = built === undefined ? { ...visible(news), record: olds["record"] } : toOutputs(news, built);
  if (!isKeptOtherwise(olds, news)) return outs;
  if (!hasVersions(olds)) {
    log.warn(`${KEPT_WITH_NAME} stand in the stack's state only: the server is not known to keep them`);
    return outs;
  }
  const changed = await api.updateSnapshot(name, toChange(checked, olds["warmPool"]), { signal });
  return built === undefined ? outs : toOutputs(news, changed);
}

async function remove(context: HandlerContext, id: string, outs: Properties): Promise<void> {
  if (unclaimed.get(context.api)?.delete(id)) return;
  const snapshot = await find(context, String(outs["name"]));
  const owner = recordedOwner(outs);
  // Another id is another snapshot; another claim is the replacement's, which found this one and goes on with it.
  if (snapshot?.id !== id || (owner !== undefined && snapshot.owner !== owner)) return;
  await context.api.deleteSnapshot(snapshot.name, { signal: context.signal });
}
