import { z } from "zod";
import { spool } from "./blob-spool";
import { type ProviderConfig, readConfig } from "./config";
import { connectTo } from "./connections";
import { type HandlerContext, type PlanContext, type Properties, type ResourceHandlers, UNKNOWN } from "./context";
import { createEngineLog } from "./engine-log";
import { lifelineSignal } from "./lifeline";

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

/** Makes the dynamic form of a resource's handlers. */
export function toDynamicHost(handlers: ResourceHandlers): DynamicHost {
  // Pulumi's server does not tell a resource that configure failed: whoever needs the configuration is told.
  let lookUp: (key: string) => unknown = () => undefined;
  let config: ProviderConfig | undefined;
  const planFor = (urn: string): PlanContext => {
    config ??= readConfig(lookUp);
    return { urn, log: createEngineLog(urn), config };
  };
  const contextFor = async (urn: string, properties: Properties): Promise<HandlerContext> => {
    const plan = planFor(urn);
    const signal = lifelineSignal();
    const api = await connectTo(plan.config, endpointSchema.parse(properties["endpoint"]), { ...plan.log, signal });
    return { ...plan, api, findBlob: (digest) => spool().find(digest), signal };
  };
  return {
    async configure(request) {
      lifelineSignal();
      lookUp = (key) => request.config.get(`opencomputer:${key}`);
      config = undefined;
    },
    async check(olds, news) {
      const { urn, inputs: program } = unpack(news);
      const { inputs, failures } = handlers.check(planFor(urn), unpack(olds).inputs, program);
      return { inputs: withoutUndefined(pack(urn, inputs)), failures: [...failures] };
    },
    async diff(_id, olds, news) {
      const { urn, inputs } = unpack(news);
      return handlers.diff(planFor(urn), olds, inputs);
    },
    async create(news) {
      const { urn, inputs } = unpack(news);
      const { id, outs } = await handlers.create(await contextFor(urn, inputs), inputs);
      return { id, outs: withoutUndefined(outs) };
    },
    async read(id, outs) {
      const props = await handlers.read(await contextFor("", outs), id, outs);
      return props === undefined ? {} : { id, props: withoutUndefined(props) };
    },
    async update(id, olds, news) {
      const { urn, inputs } = unpack(news);
      return { outs: withoutUndefined(await handlers.update(await contextFor(urn, inputs), id, olds, inputs)) };
    },
    async delete(id, outs) {
      await handlers.delete(await contextFor("", outs), id, outs);
    },
  };
}

const endpointSchema = z.string().optional();

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

/** Pulumi's wire has no undefined: one would crash the provider's server. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutUndefined(inner)]));
}
