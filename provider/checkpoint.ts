import { z } from "zod";
import { createCheckpointSchema } from "../src/api/checkpoint-schemas";
import type { CreateCheckpointRequest } from "../src/api/contract";
import type { CheckpointInfo } from "../src/api/records";
import { isOpenComputerError, OpenComputerError } from "../src/errors";
import { sha256Hex, toCanonicalJson } from "../src/image/hash";
import { toAutoName } from "./auto-name";
import { findCheckpoint, waitUntilKept } from "./checkpoint-wait";
import {
  type CheckFailure,
  type CheckResult,
  type CreateResult,
  type DiffResult,
  type HandlerContext,
  hasUnknown,
  type PlanContext,
  type Properties,
  UNKNOWN,
  visible,
} from "./context";
import { parseInputs } from "./inputs";
import { isSame } from "./is-same";
import { withRecordedAddress } from "./recorded-address";

/**
 * The life of a `Checkpoint`. What a change of an input does:
 *
 * | input | change | why |
 * |---|---|---|
 * | sandbox, kind, triggers | replace | it is what a sandbox was at one moment: this is another moment |
 * | the same, name explicit | replace, deleting first | the name is taken in that sandbox while the old one lives |
 * | name, endpoint | replace | it is another checkpoint |
 * | retentionPolicy | update, nothing runs | it concerns creation |
 *
 * The hidden `__autoNamed` says that the name was made here.
 */
export const checkpointHandlers = withRecordedAddress({ check, diff, create, read, update, delete: remove });

const { name, kind, retentionPolicy } = createCheckpointSchema.shape;
const fields = {
  sandbox: z.string().min(1),
  name: name.optional(),
  kind,
  triggers: z.array(z.unknown()).optional(),
  retentionPolicy,
  endpoint: z.string().min(1).optional(),
};
/** What a program may say. */
export const checkpointInputsSchema = z.strictObject(fields).partial();
const checkedSchema = z.object({ ...fields, name, __autoNamed: z.boolean() });
type Checked = z.infer<typeof checkedSchema>;

const REPLACING = ["sandbox", "kind", "triggers", "name", "endpoint"];

function check({ urn }: PlanContext, olds: Properties, news: Properties): CheckResult {
  const { known, unknown, failures } = parseInputs(checkpointInputsSchema, news);
  const missing = news["sandbox"] === undefined ? [NO_SANDBOX] : [];
  if (known === undefined || missing.length > 0) return { inputs: news, failures: [...missing, ...failures] };
  const inputs = { kind: "disk_only", ...known, ...unknown };
  const __autoNamed = news["name"] === undefined;
  return {
    inputs: { ...inputs, ...(__autoNamed ? { name: autoName(urn, olds, inputs) } : {}), __autoNamed },
    failures,
  };
}

const NO_SANDBOX: CheckFailure = { property: "sandbox", reason: "is missing: it says which sandbox is kept" };

/**
 * Its digits follow URN, kind and triggers, so that a new moment is kept before the old one goes. A name that was given stays
 * while those are the same, even if the URN moves. When a resource is replaced, Pulumi tells nothing of the old one here: a
 * count would begin anew.
 */
function autoName(urn: string, olds: Properties, { kind, triggers = [] }: Properties): unknown {
  if (hasUnknown([kind, triggers])) return UNKNOWN;
  const isSameMoment = isSame(olds["kind"], kind) && isSame(olds["triggers"], triggers);
  if (olds["__autoNamed"] === true && isSameMoment) return olds["name"];
  return toAutoName(urn, toCanonicalJson({ kind, triggers }), "checkpoint");
}

function diff(_context: PlanContext, olds: Properties, news: Properties): DiffResult {
  const replaces = REPLACING.filter((key) => !isSame(olds[key], news[key]));
  const isMoved = ["sandbox", "name", "endpoint"].some((key) => replaces.includes(key));
  return {
    changes: replaces.length > 0 || !isSame(olds["retentionPolicy"], news["retentionPolicy"]),
    replaces,
    deleteBeforeReplace: replaces.length > 0 && !isMoved && news["__autoNamed"] === false,
  };
}

async function create(context: HandlerContext, inputs: Properties): Promise<CreateResult> {
  const checked = checkedSchema.parse(inputs);
  const begun = await begin(context, checked);
  try {
    return { id: begun.id, outs: toOutputs(inputs, await waitUntilKept(context, begun)) };
  } catch (error) {
    // Nobody would know of it; whether the operation was cancelled does not matter for that. Where it stays, the next create
    // finds it.
    const signal = AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS);
    await context.api.deleteCheckpoint(begun.sandboxId, begun.id, { signal }).catch(() => undefined);
    throw error;
  }
}

const CLEAN_UP_TIMEOUT_MS = 10_000;

/**
 * One of that name is ours where an earlier create made it and nobody recorded it, or where it is the old one of a
 * replacement that the user forces; Pulumi asks to delete that one afterwards, so it must not be taken for new. What is
 * still being kept nobody recorded.
 */
async function begin(context: HandlerContext, checked: Checked): Promise<CheckpointInfo> {
  const { api, urn, signal } = context;
  const { sandbox, name, kind, retentionPolicy, __autoNamed } = checked;
  const owner = sha256Hex(urn);
  const request: CreateCheckpointRequest = { name, kind, retentionPolicy, owner };
  try {
    return await api.createCheckpoint(sandbox, request, { signal });
  } catch (error) {
    if (!isOpenComputerError(error, "conflict")) throw error;
    const existing = await findCheckpoint(context, sandbox, (one) => one.name === name);
    if (existing === undefined) throw error;
    // A server that keeps no owner: nobody else has the digits of a name that was made here.
    const isOurs = existing.owner === undefined ? __autoNamed : existing.owner === owner;
    if (!isOurs) throw taken(existing, error);
    if (existing.status === "processing") return existing;
    await api.deleteCheckpoint(sandbox, existing.id, { signal });
    return await api.createCheckpoint(sandbox, request, { signal });
  }
}

function taken({ name, sandboxId, createdAt }: CheckpointInfo, cause: unknown): OpenComputerError {
  return new OpenComputerError(
    "conflict",
    `sandbox ${sandboxId} has a checkpoint named ${name} that somebody else made (${createdAt}); ` +
      "choose another name, leave the name out, or delete that checkpoint first",
    { cause },
  );
}

async function read(context: HandlerContext, id: string, outs: Properties): Promise<Properties | undefined> {
  const info = await findCheckpoint(context, String(outs["sandbox"]), (one) => one.id === id);
  return info === undefined || info.status === "failed" ? undefined : toOutputs(outs, info);
}

async function update(_context: HandlerContext, id: string, olds: Properties, news: Properties): Promise<Properties> {
  const { sizeBytes, status, createdAt } = olds;
  return { ...visible(news), checkpointId: id, sizeBytes, status, createdAt };
}

async function remove({ api, signal }: HandlerContext, id: string, outs: Properties): Promise<void> {
  await api.deleteCheckpoint(String(outs["sandbox"]), id, { signal });
}

function toOutputs(inputs: Properties, { id, kind, sizeBytes, status, createdAt }: CheckpointInfo): Properties {
  return { ...visible(inputs), checkpointId: id, kind, sizeBytes, status, createdAt };
}
