import { z } from "zod";
import type { CreateSandboxRequest } from "../src/api/contract";
import type { SandboxInfo } from "../src/api/records";
import { createSandboxFieldsSchema, labelsSchema, networkPolicySchema, snapshotRefSchema } from "../src/api/schemas";
import { isOpenComputerError } from "../src/errors";
import { sha256Hex, toCanonicalJson } from "../src/image/hash";
import { showBuild } from "./build-progress";
import {
  type CheckFailure,
  type CheckResult,
  type CreateResult,
  type DiffResult,
  type HandlerContext,
  type PlanContext,
  type Properties,
  visible,
} from "./context";
import { describeImage, explainRebuild, imageInputs, UNKNOWN_IMAGE } from "./image-inputs";
import { parseInputs, withDefaults } from "./inputs";
import { isSame } from "./is-same";
import { readyCheckSchema, waitUntilReady } from "./ready-check";
import { withRecordedAddress } from "./recorded-address";
import { hasContent } from "./snapshot-content";

/**
 * The life of a `Sandbox`. What a change of an input does:
 *
 * | input | change | why |
 * |---|---|---|
 * | snapshot, image, checkpoint | replace | what it is at first comes from there |
 * | envs, metadata, memoryMB, cpuCount, network | replace | the server sets them once, at creation |
 * | endpoint | replace | it runs on another server |
 * | timeout, tags | update | the server sets them anew |
 * | readyCheck | update, nothing runs | it concerns creation |
 * | recreate | update, nothing runs | it concerns what follows the sandbox's end |
 *
 * A sandbox that hibernates lives: the next command wakes it. One that was stopped counts as gone: the next `up` after a
 * refresh makes a new one. With `recreate: "never"` it stays in the state as `stopped`, until that is taken back.
 */
export const sandboxHandlers = withRecordedAddress({ check, diff, create, read, update, delete: remove });

const { stepTimeoutSeconds: _noBuildHere, ...createFields } = createSandboxFieldsSchema;
const fields = {
  ...createFields,
  snapshot: snapshotRefSchema.optional(),
  checkpoint: z.string().min(1).optional(),
  tags: labelsSchema.optional(),
  network: networkPolicySchema.optional(),
  readyCheck: readyCheckSchema.optional(),
  recreate: z.enum(["onExpiry", "never"]).optional(),
  endpoint: z.string().min(1).optional(),
};
/** What a program may say. */
export const sandboxInputsSchema = z.strictObject({ ...fields, ...imageInputs }).partial();
const checkedSchema = z.object({ ...fields, ...imageInputs }).partial({ __manifest: true });
type Checked = z.infer<typeof checkedSchema>;

/** Inputs that are fixed at creation. */
const REPLACING = "snapshot contentHash checkpoint envs metadata memoryMB cpuCount network endpoint".split(" ");
const UPDATING = ["timeout", "tags", "readyCheck", "recreate"];

function check({ config }: PlanContext, _olds: Properties, news: Properties): CheckResult {
  const merged = withDefaults(news, "tags", config.defaultTags);
  const { known, unknown, failures } = parseInputs(sandboxInputsSchema, merged);
  const all = [...failures, ...checkOrigin(news)];
  if (known === undefined || all.length > 0) return { inputs: news, failures: all };
  const { __manifest: manifest, ...rest } = known;
  const hasImage = manifest !== undefined || "__manifest" in unknown;
  const image = manifest === undefined ? UNKNOWN_IMAGE : describeImage(manifest);
  return { inputs: { ...rest, ...unknown, ...(hasImage ? image : {}) }, failures: [] };
}

/** What a sandbox starts from, by the names that a program has for it. */
const ORIGINS = { snapshot: "snapshot", __manifest: "image", checkpoint: "checkpoint" };

function checkOrigin(news: Properties): CheckFailure[] {
  const given = Object.entries(ORIGINS).filter(([key]) => news[key] !== undefined);
  const others = given.map(([, title]) => title);
  const last = others.pop();
  const fixed = news["checkpoint"] === undefined ? [] : KEPT.filter((key) => news[key] !== undefined);
  return [
    ...(last === undefined || others.length === 0 ? [] : [{ property: last, reason: twoOrigins(others) }]),
    ...fixed.map((property) => ({ property, reason: IS_KEPT })),
  ];
}

const twoOrigins = (others: readonly string[]) =>
  `cannot stand beside ${others.join(" and ")}: a sandbox starts from one`;

/** What a checkpoint brings along and nobody can change. */
const KEPT = ["cpuCount", "network"];
const IS_KEPT = "cannot be set beside checkpoint: it is what it was for the sandbox that was kept";

function diff({ log }: PlanContext, olds: Properties, news: Properties): DiffResult {
  const [before, after] = [withDefaultsSaid(olds), withDefaultsSaid(news)];
  const replaces = REPLACING.filter((key) => !isSame(before[key], after[key]));
  if (replaces.includes("contentHash")) explainRebuild(log, olds, news);
  // It was kept as what it is, stopped; now a running one is wanted again.
  if (olds["status"] === "stopped" && news["recreate"] !== "never") replaces.push("recreate");
  return {
    changes: replaces.length > 0 || UPDATING.some((key) => !isSame(olds[key], news[key])),
    replaces,
    deleteBeforeReplace: false,
  };
}

/** Writing a default down, as after an import that leaves it out, changes nothing. The sizes are the servers'. */
function withDefaultsSaid(properties: Properties): Properties {
  const { network = "egress", memoryMB, cpuCount } = properties;
  const isDefaultSize = memoryMB === undefined ? cpuCount === undefined : memoryMB === 4096 && (cpuCount ?? 1) === 1;
  return { ...properties, network, ...(isDefaultSize ? { memoryMB: 4096, cpuCount: 1 } : {}) };
}

async function create(context: HandlerContext, inputs: Properties): Promise<CreateResult> {
  const { api, log, signal } = context;
  const checked = checkedSchema.parse(inputs);
  const { readyCheck } = checked;
  const owner = toOwner(context.urn, inputs);
  await killOwned(context, owner);
  const sandbox = await begin(context, checked, owner);
  try {
    if (readyCheck !== undefined) {
      log.status(`waiting until ready: ${readyCheck.command}`);
      await waitUntilReady(api, sandbox.sandboxID, readyCheck, signal);
      log.status("ready");
    }
  } catch (error) {
    // Nobody would know of it; whether the operation was cancelled does not matter for that.
    await killIfThere(context, sandbox.sandboxID, AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS));
    throw error;
  }
  return { id: sandbox.sandboxID, outs: toOutputs(inputs, sandbox) };
}

/** From the checkpoint, or from the snapshot, the image or the plain base. */
async function begin(context: HandlerContext, checked: Checked, owner: string): Promise<SandboxInfo> {
  const { api, log, config, findBlob, signal } = context;
  const { envs, metadata, timeout, memoryMB, tags, checkpoint, snapshot, cpuCount, network } = checked;
  const common = { envs, metadata, timeout, memoryMB, tags, owner };
  if (checkpoint !== undefined) return await api.createSandboxFromCheckpoint(checkpoint, common, { signal });
  const { __manifest: manifest, __secret: secret = false } = checked;
  const progress = showBuild(log, { logLevel: config.logLevel, secret });
  const image = manifest && { image: { manifest, findBlob } };
  const request = { ...common, snapshot, cpuCount, network, ...image };
  const sandbox = await start(context, request, { onBuildLog: progress.onBuildLog, signal });
  progress.summarise();
  return sandbox;
}

const CLEAN_UP_TIMEOUT_MS = 10_000;

/** URN and inputs: what a repeated create has in common with the one whose answer was lost. */
function toOwner(urn: string, { __provider, __manifest, ...inputs }: Properties): string {
  return sha256Hex(toCanonicalJson({ urn, inputs }));
}

/**
 * Ends what an earlier create of the same resource made and nobody recorded. A replacement that the user forces, with the
 * same inputs, finds the old one here: Pulumi tells a provider nothing of it, and asks to delete the old one afterwards,
 * so that one must not be taken for new.
 */
async function killOwned(context: HandlerContext, owner: string): Promise<void> {
  const sandboxes = await context.api.listSandboxes({ signal: context.signal });
  const owned = sandboxes.filter((one) => one.owner === owner && !isOver(one));
  for (const { sandboxID } of owned) await killIfThere(context, sandboxID, context.signal);
}

type StartOptions = Parameters<HandlerContext["api"]["createSandbox"]>[1];

/** A server without versions does not know `name@hash`: there the name will do while it means that content. */
async function start({ api, signal }: HandlerContext, request: CreateSandboxRequest, options: StartOptions) {
  const [, name, hash] = /^(.*)@([0-9a-f]{8,64})$/.exec(request.snapshot ?? "") ?? [];
  try {
    return await api.createSandbox(request, options);
  } catch (error) {
    if (name === undefined || hash === undefined || !isOpenComputerError(error, "not_found")) throw error;
    const current = await api.getSnapshot(name, { signal });
    if (current.version !== undefined || !(await hasContent(current, hash))) throw error;
    return await api.createSandbox({ ...request, snapshot: name }, options);
  }
}

async function read(context: HandlerContext, id: string, outs: Properties): Promise<Properties | undefined> {
  const sandbox = await context.api.getSandbox(id, { signal: context.signal }).catch((error: unknown) => {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  });
  if (sandbox !== undefined && !isOver(sandbox)) return toOutputs(outs, sandbox);
  return outs["recreate"] === "never" ? { ...visible(outs), status: "stopped" } : undefined;
}

async function update(context: HandlerContext, id: string, olds: Properties, news: Properties): Promise<Properties> {
  const { timeout = 0, tags = {} } = checkedSchema.parse(news);
  const { api, signal } = context;
  const outs = { ...visible(news), sandboxId: id, status: olds["status"] ?? "running" };
  // One that is over has no idle time and takes no tags.
  if (outs.status === "stopped") return outs;
  if (!isSame(olds["timeout"], news["timeout"])) await api.setSandboxTimeout(id, timeout, { signal });
  if (!isSame(olds["tags"], news["tags"])) await api.setSandboxTags(id, tags, { signal });
  return outs;
}

async function remove(context: HandlerContext, id: string): Promise<void> {
  await killIfThere(context, id, context.signal);
}

async function killIfThere({ api }: HandlerContext, id: string, signal: AbortSignal): Promise<void> {
  try {
    await api.killSandbox(id, { signal });
  } catch (error) {
    if (!isOpenComputerError(error, "not_found")) throw error;
  }
}

function isOver({ status }: SandboxInfo): boolean {
  return status === "stopped" || status === "error";
}

function toOutputs(inputs: Properties, sandbox: SandboxInfo): Properties {
  return { ...visible(inputs), sandboxId: sandbox.sandboxID, status: sandbox.status };
}
