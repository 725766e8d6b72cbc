import { z } from "zod";
import type { SandboxInfo } from "../src/api/records";
import { createSandboxFieldsSchema } from "../src/api/schemas";
import { isOpenComputerError } from "../src/errors";
import { toProblems } from "../src/image/manifest";
import { inWords } from "../src/image/problem-words";
import {
  type CheckResult,
  type CreateResult,
  type DiffResult,
  type HandlerContext,
  hasUnknown,
  type Properties,
  type ResourceHandlers,
  showBuild,
  visible,
} from "./context";

/**
 * The life of a `Sandbox`. What a change of an input does:
 *
 * | input | change | why |
 * |---|---|---|
 * | snapshot | replace | its disk comes from there |
 * | envs, metadata, memoryMB, cpuCount | replace | the server sets them once, at creation |
 * | timeout | update | the server sets it anew |
 *
 * A sandbox that was stopped, by its timeout or by hand, counts as gone: the next `up` after a refresh makes a new one.
 */
export const sandboxHandlers: ResourceHandlers = { check, diff, create, read, update, delete: remove };

const { stepTimeoutSeconds: _noBuildHere, ...fields } = createSandboxFieldsSchema;
const inputsSchema = z.strictObject({
  ...fields,
  snapshot: z.string().min(1).optional(),
  /** Pulumi's own. */
  __provider: z.unknown().optional(),
});

/** Inputs that are fixed at creation. */
const REPLACING = ["snapshot", "envs", "metadata", "memoryMB", "cpuCount"] as const;

function check(_context: unknown, _olds: Properties, news: Properties): CheckResult {
  // What is unknown is checked when it is known: the engine calls check again before it creates anything.
  if (hasUnknown(news)) return { inputs: news, failures: [] };
  const parsed = inputsSchema.safeParse(news, inWords);
  if (parsed.success) return { inputs: { ...news, ...parsed.data }, failures: [] };
  const failures = toProblems(parsed.error, news).map(({ path, message }) => ({ property: path, reason: message }));
  return { inputs: news, failures };
}

function diff(_context: unknown, olds: Properties, news: Properties): DiffResult {
  const replaces = REPLACING.filter((key) => !isSame(olds[key], news[key]));
  return {
    changes: replaces.length > 0 || !isSame(olds["timeout"], news["timeout"]),
    replaces,
    deleteBeforeReplace: false,
  };
}

async function create(context: HandlerContext, inputs: Properties): Promise<CreateResult> {
  const { __provider: _text, ...request } = inputsSchema.parse(inputs);
  const sandbox = await context.api.createSandbox(request, {
    onBuildLog: showBuild(context.log),
    signal: context.signal,
  });
  return { id: sandbox.sandboxID, outs: toOutputs(inputs, sandbox) };
}

async function read(context: HandlerContext, id: string, outs: Properties): Promise<Properties | undefined> {
  try {
    const sandbox = await context.api.getSandbox(id, { signal: context.signal });
    return sandbox.status === "stopped" || sandbox.status === "error" ? undefined : toOutputs(outs, sandbox);
  } catch (error) {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  }
}

async function update(context: HandlerContext, id: string, olds: Properties, news: Properties): Promise<Properties> {
  const { timeout } = inputsSchema.parse(news);
  await context.api.setSandboxTimeout(id, timeout ?? 0, { signal: context.signal });
  return { ...visible(news), sandboxId: id, status: olds["status"] ?? "running" };
}

async function remove(context: HandlerContext, id: string): Promise<void> {
  try {
    await context.api.killSandbox(id, { signal: context.signal });
  } catch (error) {
    if (!isOpenComputerError(error, "not_found")) throw error;
  }
}

function toOutputs(inputs: Properties, sandbox: SandboxInfo): Properties {
  return { ...visible(inputs), sandboxId: sandbox.sandboxID, status: sandbox.status };
}

/** Structural equality of JSON values; an absent map and an empty one are the same. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" && typeof b !== "object") return false;
  const left = Object.entries(a ?? {});
  const right: Properties = { ...(b ?? {}) };
  return left.length === Object.keys(right).length && left.every(([key, value]) => isSame(value, right[key]));
}
