import { z } from "zod";
import type { Api } from "../src/api/contract";
import { spool } from "./blob-spool";
import { type HandlerContext, type Properties, type ResourceHandlers, type ResourceLog, UNKNOWN } from "./context";
import { createEngineLog } from "./engine-log";

/**
 * The dynamic host: gives handlers their context and Pulumi's dynamic-provider server the shapes that it wants.
 * Everything here runs in the provider's process.
 */
export interface DynamicHost {
  configure(request: ConfigureRequest): Promise<void>;
  check(
    olds: Properties,
    news: Properties,
  ): Promise<{ inputs: unknown; failures: { property: string; reason: string }[] }>;
  diff(id: string, olds: Properties, news: Properties): Promise<unknown>;
  create(inputs: Properties): Promise<{ id: string; outs: unknown }>;
  read(id: string, outs: Properties): Promise<{ id?: string; props?: unknown }>;
  update(id: string, olds: Properties, news: Properties): Promise<{ outs: unknown }>;
  delete(id: string, outs: Properties): Promise<void>;
}

interface ConfigureRequest {
  readonly config: { get(key: string): string | undefined };
}

/** Where the server is, from the stack's configuration; empty means environment, then the embedded server. */
interface Endpoint {
  readonly apiUrl?: string;
  readonly apiKey?: string;
}

/** Makes the dynamic form of a resource's handlers. */
export function toDynamicHost(handlers: ResourceHandlers): DynamicHost {
  // Pulumi's server may call a handler before configure has returned; until then the environment decides.
  let endpoint: Endpoint = {};
  const contextFor = async (urn: string): Promise<HandlerContext> => {
    const log = createEngineLog(urn);
    const api = await apiFor(endpoint, log);
    return { api, urn, log, findBlob: (digest) => spool().find(digest), signal: new AbortController().signal };
  };
  return {
    async configure({ config }) {
      endpoint = toEndpoint(config.get("opencomputer:apiUrl"), config.get("opencomputer:apiKey"));
    },
    async check(olds, news) {
      const { urn, inputs: program } = unpack(news);
      const { inputs, failures } = handlers.check({ urn, log: createEngineLog(urn) }, unpack(olds).inputs, program);
      return { inputs: withoutUndefined(pack(urn, inputs)), failures: [...failures] };
    },
    async diff(_id, olds, news) {
      const { urn, inputs } = unpack(news);
      return handlers.diff({ urn, log: createEngineLog(urn) }, olds, inputs);
    },
    async create(news) {
      const { urn, inputs } = unpack(news);
      const { id, outs } = await handlers.create(await contextFor(urn), inputs);
      return { id, outs: withoutUndefined(outs) };
    },
    async read(id, outs) {
      const props = await handlers.read(await contextFor(""), id, outs);
      return props === undefined ? {} : { id, props: withoutUndefined(props) };
    },
    async update(id, olds, news) {
      const { urn, inputs } = unpack(news);
      return { outs: withoutUndefined(await handlers.update(await contextFor(urn), id, olds, inputs)) };
    },
    async delete(id, outs) {
      await handlers.delete(await contextFor(""), id, outs);
    },
  };
}

function toEndpoint(apiUrl: string | undefined, apiKey: string | undefined): Endpoint {
  return { ...(apiUrl ? { apiUrl } : {}), ...(apiKey ? { apiKey } : {}) };
}

/**
 * Handlers know `__manifest` and `__secret`; between program and provider those and the URN, which Pulumi's
 * dynamic-provider server does not tell, are one hidden text, `__source`.
 */
function unpack({ __source, ...inputs }: Properties): { readonly urn: string; readonly inputs: Properties } {
  if (__source === UNKNOWN) return { urn: "", inputs: { ...inputs, __manifest: UNKNOWN } };
  const { urn, manifest, secret } = sourceSchema.parse(JSON.parse(z.string().default("{}").parse(__source)));
  const source = { __manifest: manifest, __secret: secret === true ? true : undefined };
  const given = Object.entries(source).filter(([, value]) => value !== undefined);
  return { urn: urn ?? "", inputs: { ...inputs, ...Object.fromEntries(given) } };
}

function pack(urn: string, { __manifest, __secret, ...inputs }: Properties): Properties {
  if (__manifest === UNKNOWN) return { ...inputs, __source: UNKNOWN };
  return { ...inputs, __source: JSON.stringify({ urn, manifest: __manifest, secret: __secret }) };
}

const sourceSchema = z.object({
  urn: z.string().optional(),
  manifest: z.unknown().optional(),
  secret: z.boolean().optional(),
});

const apis = new Map<string, Promise<Api>>();

/** One connection an endpoint; a failed attempt is forgotten, so that the next operation tries anew. */
function apiFor(endpoint: Endpoint, log: ResourceLog): Promise<Api> {
  const key = JSON.stringify(endpoint);
  const known = apis.get(key);
  if (known !== undefined) return known;
  const attempt = openConnection(endpoint, log);
  apis.set(key, attempt);
  attempt.catch(() => apis.delete(key));
  return attempt;
}

/** The client is loaded when it is first needed: a preview talks to no server. */
async function openConnection(endpoint: Endpoint, log: ResourceLog): Promise<Api> {
  const { connect } = await import("../src/client/connect.js");
  return connect({ ...endpoint, onProgress: log.status, onWarning: log.warn });
}

/** Pulumi's wire has no undefined: one would crash the provider's server. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutUndefined(inner)]));
}
