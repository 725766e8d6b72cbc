import { z } from "zod";
import { labelsSchema } from "../src/api/schemas";
import { OpenComputerError } from "../src/errors";
import { parseWith } from "../src/image/manifest";

/** The stack's configuration, everything below `opencomputer:`. */
export interface ProviderConfig {
  /** Where resources without an `endpoint` live; empty means the environment, then the embedded server. */
  readonly endpoint: Endpoint;
  /** Further servers, by the name that resources use. */
  readonly endpoints: Readonly<Record<string, Endpoint>>;
  /** The engine of an embedded server that is started. Default: the environment's, then the server's own choice. */
  readonly engine?: string;
  /** Labels of every snapshot and tags of every sandbox; a resource's own win. */
  readonly defaultLabels: Readonly<Record<string, string>>;
  readonly defaultTags: Readonly<Record<string, string>>;
  /** What a build shows: nothing but its end, its steps (default), or everything that its commands print. */
  readonly logLevel: LogLevel;
}

/** Where a server is, and the key for it. */
export interface Endpoint {
  readonly apiUrl?: string;
  readonly apiKey?: string;
}

export type LogLevel = "quiet" | "steps" | "full";

/** What a stack has that configures nothing. */
export const EMPTY_CONFIG: ProviderConfig = {
  endpoint: {},
  endpoints: {},
  defaultLabels: {},
  defaultTags: {},
  logLevel: "steps",
};

const apiUrlSchema = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });
const endpointSchema = z.strictObject({ apiUrl: apiUrlSchema, apiKey: z.string().min(1).optional() });

const configSchema = z.object({
  apiUrl: apiUrlSchema.optional(),
  apiKey: z.string().min(1).optional(),
  endpoints: z.record(z.string().min(1), endpointSchema).default({}),
  engine: z.string().min(1).optional(),
  defaultLabels: labelsSchema.default({}),
  defaultTags: labelsSchema.default({}),
  logLevel: z.enum(["quiet", "steps", "full"]).default("steps"),
});

/**
 * Reads the configuration with a function that looks up one key.
 *
 * @throws invalid_input listing all that is wrong with it
 * @example readConfig((key) => config.get(`opencomputer:${key}`)).logLevel // "steps"
 */
export function readConfig(get: (key: string) => unknown): ProviderConfig {
  const given = Object.keys(configSchema.shape).map((key) => [key, parseObject(key, get(key))] as const);
  const known = Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ""));
  const { apiUrl, apiKey, ...rest } = parseWith(configSchema, known, "the stack's configuration (opencomputer:…)");
  return { ...rest, endpoint: { ...(apiUrl ? { apiUrl } : {}), ...(apiKey ? { apiKey } : {}) } };
}

/**
 * The endpoint that a resource names; without a name, the default one.
 *
 * @throws invalid_input where the configuration has none of that name
 */
export function endpointOf({ endpoint, endpoints }: ProviderConfig, name: string | undefined): Endpoint {
  if (name === undefined) return endpoint;
  const named = Object.hasOwn(endpoints, name) ? endpoints[name] : undefined;
  if (named !== undefined) return named;
  const known = Object.keys(endpoints).join(", ") || "none";
  throw new OpenComputerError(
    "invalid_input",
    `the stack's configuration has no endpoint named ${name} (it has: ${known}); ` +
      `set it with: pulumi config set --path opencomputer:endpoints.${name}.apiUrl https://…`,
  );
}

const OBJECTS: ReadonlySet<string> = new Set(["endpoints", "defaultLabels", "defaultTags"]);

/** Pulumi hands objects over as JSON text. What is none is not shown: it may hold a key. */
function parseObject(key: string, value: unknown): unknown {
  if (!OBJECTS.has(key) || typeof value !== "string" || value === "") return value;
  try {
    return JSON.parse(value);
  } catch {
    return "(not JSON)";
  }
}
