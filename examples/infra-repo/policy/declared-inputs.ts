import { type ResourceValidationPolicy, Secret } from "@pulumi/policy";

/** One step of an image, as its manifest has it. */
export interface Step {
  readonly type: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** What an image is made of. */
export interface DeclaredImage {
  readonly base: string;
  readonly steps: readonly Step[];
}

/** What a program says of a resource. What is not known yet is absent: it is judged when it is, in the `up`. */
export interface Declaration {
  readonly kind: "Snapshot" | "Sandbox";
  readonly image?: DeclaredImage;
  /** Environment variables of a sandbox, and whether each is a secret. */
  readonly envs: readonly { readonly name: string; readonly secret: boolean }[];
  /** Idle seconds of a sandbox; "unknown" where that is not known yet. */
  readonly timeout?: number | "unknown";
}

const declarations = new Map<string, Declaration>();

/**
 * Reads what the other policies judge, and changes nothing. It has to be a remediation: only that is shown the hidden
 * input which holds an image's manifest, and which values are secret. So its level must stay `remediate`.
 */
export const readInputs: ResourceValidationPolicy = {
  name: "read-inputs",
  description: "Reads what the other policies judge; changes nothing.",
  enforcementLevel: "remediate",
  remediateResource: ({ type, urn, props }) => {
    const kind = kindOf(type);
    if (kind !== undefined) declarations.set(urn, toDeclaration(kind, membersOf(props)));
  },
};

/** The declaration that {@link readInputs} noted; undefined where it was kept from reading. */
export function declarationOf(urn: string): Declaration | undefined {
  return declarations.get(urn);
}

/** Which of our resources a type is, from the dynamic provider or from the native plugin. */
export function kindOf(type: string): Declaration["kind"] | undefined {
  const kind = /^(?:pulumi-nodejs:dynamic\/opencomputer|opencomputer:index):(Snapshot|Sandbox)$/.exec(type)?.[1];
  return kind === "Snapshot" || kind === "Sandbox" ? kind : undefined;
}

/** Makes a declaration of raw inputs, in which a secret is a {@link Secret}. */
export function toDeclaration(kind: Declaration["kind"], inputs: Readonly<Record<string, unknown>>): Declaration {
  const image = toImage(reveal(inputs["image"]) ?? manifestIn(reveal(inputs["__source"])));
  return {
    kind,
    ...(image === undefined ? {} : { image }),
    envs: toEnvs(inputs["envs"]),
    ...toTimeout(reveal(inputs["timeout"])),
  };
}

/** `props` unwraps secrets when they are read; its property descriptors are as they came. */
function membersOf(props: object): Record<string, unknown> {
  const descriptors = Object.entries(Object.getOwnPropertyDescriptors(props));
  return Object.fromEntries(descriptors.map(([name, { value }]) => [name, value]));
}

/** The dynamic provider's hidden text. An unknown one is no JSON. */
function manifestIn(source: unknown): unknown {
  if (typeof source !== "string" || !source.startsWith("{")) return undefined;
  const parsed: unknown = JSON.parse(source);
  return isRecord(parsed) ? parsed["manifest"] : undefined;
}

function toImage(manifest: unknown): DeclaredImage | undefined {
  if (!isRecord(manifest)) return undefined;
  const { base = "base", steps } = manifest;
  const known = Array.isArray(steps) ? steps.filter(isStep) : [];
  return { base: String(base), steps: known };
}

function toEnvs(envs: unknown): Declaration["envs"] {
  const all = envs instanceof Secret;
  const vars = all ? envs.value : envs;
  if (!isRecord(vars)) return [];
  return Object.entries(vars).map(([name, value]) => ({ name, secret: all || value instanceof Secret }));
}

function toTimeout(timeout: unknown): Pick<Declaration, "timeout"> {
  if (timeout === undefined || timeout === null) return {};
  return { timeout: typeof timeout === "number" ? timeout : "unknown" };
}

function isStep(step: unknown): step is Step {
  return isRecord(step) && typeof step["type"] === "string" && isRecord(step["args"]);
}

/** The value without its secrecy, at every depth. */
function reveal(value: unknown): unknown {
  if (value instanceof Secret) return reveal(value.value);
  if (Array.isArray(value)) return value.map(reveal);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, reveal(inner)]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
