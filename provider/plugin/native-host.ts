import { invalidInput } from "../../src/errors";
import { type CheckFailure, type HandlerContext, hasUnknown, type Properties, UNKNOWN, visible } from "../context";
import { describeDifferences, type PropertyDifference } from "./detailed-diff";
import { readImageInput } from "./image-input";
import { NATIVE_RESOURCES, type NativeResource } from "./native-resource";
import type { NativeSession, Subject } from "./native-session";
import { type Decoded, encode, isSecret, type Place } from "./property-values";

/** What a change of inputs does. */
export interface NativeDiff {
  readonly changes: boolean;
  readonly replaces: readonly string[];
  readonly stables: readonly string[];
  readonly deleteBeforeReplace: boolean;
  readonly differences: ReadonlyMap<string, PropertyDifference>;
}

/** What the engine recorded of a resource. */
export interface Recorded {
  readonly outs: Decoded;
  readonly inputs: Decoded;
}

/** A resource's state, spelled for the wire. */
export interface NativeState {
  readonly id: string;
  readonly outs: Properties;
  readonly inputs: Properties;
}

/**
 * The native host: tells the handlers of an engine that speaks secrets, previews, imports and detailed diffs. What a
 * resource is and does, the handlers decide.
 */
export class NativeHost {
  constructor(private readonly session: NativeSession) {}

  check(urn: string, olds: Decoded, news: Decoded): { inputs: Properties; failures: readonly CheckFailure[] } {
    const { image, manifest, failures, findBlob } = readImageInput(news.values["image"]);
    this.session.remember(findBlob);
    const program = toHandlerInputs({ ...news, values: { ...news.values, image: manifest } });
    const checked = resourceOf(urn).handlers.check(this.session.plan(urn), toHandlerInputs(olds), program);
    const all = [...failures, ...checked.failures.map(toProgramPath)];
    if (all.length > 0) return { inputs: encode(news.values, news.secrets), failures: all };
    return { inputs: encode(fromHandlerInputs(checked.inputs, image), derivedSecrets(news)), failures: [] };
  }

  diff(urn: string, { outs, inputs }: Recorded, news: Decoded): NativeDiff {
    const { handlers, serverOutputs, keepsServerOutputs } = resourceOf(urn);
    const { changes, replaces, ...rest } = handlers.diff(this.session.plan(urn), outs.values, toHandlerInputs(news));
    const isKept = replaces.length === 0 && keepsServerOutputs(outs.values, news.values);
    const olds = { inputs: inputs.values, outs: outs.values };
    return {
      ...rest,
      changes,
      replaces,
      stables: isKept ? serverOutputs : [],
      differences: changes ? describeDifferences(olds, news.values, replaces) : new Map(),
    };
  }

  async create(subject: Subject, inputs: Decoded): Promise<Pick<NativeState, "id" | "outs">> {
    const { handlers } = resourceOf(subject.urn);
    const { id, outs } = await this.run(subject, inputs, (context) =>
      handlers.create(context, toHandlerInputs(inputs)),
    );
    return { id, outs: encode(outs, derivedSecrets(inputs)) };
  }

  /** What `create` will give, as far as a preview can know. */
  previewCreate(urn: string, inputs: Decoded): Properties {
    const told = resourceOf(urn).serverOutputs.map((name) => [name, UNKNOWN]);
    return encode({ ...visible(toHandlerInputs(inputs)), ...Object.fromEntries(told) }, derivedSecrets(inputs));
  }

  async update(subject: Subject, id: string, outs: Decoded, news: Decoded): Promise<Properties> {
    const { handlers } = resourceOf(subject.urn);
    const updated = await this.run(subject, news, (context) =>
      handlers.update(context, id, outs.values, toHandlerInputs(news)),
    );
    return encode(updated, derivedSecrets(news));
  }

  /** What `update` will give, as far as a preview can know. */
  previewUpdate(urn: string, outs: Decoded, news: Decoded): Properties {
    const { serverOutputs, keepsServerOutputs } = resourceOf(urn);
    const isKept = keepsServerOutputs(outs.values, news.values);
    const told = serverOutputs.map((name) => [name, isKept ? outs.values[name] : UNKNOWN]);
    return encode({ ...visible(toHandlerInputs(news)), ...Object.fromEntries(told) }, derivedSecrets(news));
  }

  /** What the server says of a recorded resource, or, where nothing is recorded, of the one that the id names: an import. */
  async read(subject: Subject, id: string, { outs, inputs }: Recorded): Promise<NativeState | undefined> {
    const resource = resourceOf(subject.urn);
    if (Object.keys(outs.values).length === 0)
      return this.run(subject, outs, (context) => this.import(resource, context, id));
    const read = await this.run(subject, outs, (context) => resource.handlers.read(context, id, outs.values));
    if (read === undefined) return undefined;
    const secrets = derivedSecrets(inputs);
    return {
      id,
      outs: encode(read, [...outs.secrets, ...secrets]),
      inputs: encode(followDrift(inputs.values, outs.values, read), secrets),
    };
  }

  async delete(subject: Subject, id: string, outs: Decoded): Promise<void> {
    const { handlers } = resourceOf(subject.urn);
    await this.run(subject, outs, (context) => handlers.delete(context, id, outs.values));
  }

  private async import(
    { handlers, find }: NativeResource,
    context: HandlerContext,
    id: string,
  ): Promise<NativeState | undefined> {
    const found = await find(context.api, id, context.signal);
    if (found === undefined) return undefined;
    const program = toHandlerInputs({ values: found.inputs, secrets: [] });
    const { inputs, failures } = handlers.check(context, {}, program);
    if (failures.length > 0) throw invalidInput(`what the server says of ${id}`, failures.map(toProblem));
    const outs = await handlers.read(context, found.id, inputs);
    return outs && { id: found.id, outs: encode(outs, []), inputs: encode(found.inputs, []) };
  }

  private run<T>(subject: Subject, { values }: Decoded, action: (context: HandlerContext) => Promise<T>): Promise<T> {
    return this.session.run(subject, values["endpoint"], action);
  }
}

/** The resource whose URN this is; its type is the last of those that the URN names. */
function resourceOf(urn: string): NativeResource {
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const resource = Object.hasOwn(NATIVE_RESOURCES, type) ? NATIVE_RESOURCES[type] : undefined;
  if (resource !== undefined) return resource;
  const known = Object.keys(NATIVE_RESOURCES).join(", ");
  throw invalidInput("the program", [{ path: "type", message: `must be one of ${known}; got ${type}` }]);
}

/** Handlers know the image as a hidden manifest, and that it holds a secret. */
function toHandlerInputs(inputs: Decoded): Properties {
  const { image, ...rest } = inputs.values;
  if (image === undefined) return rest;
  const secret = isSecret(inputs, "image") ? { __secret: true } : {};
  return { ...rest, __manifest: hasUnknown(image) ? UNKNOWN : image, ...secret };
}

/** @param image as the program gave it, for one that is not known as a whole */
function fromHandlerInputs({ __manifest, __secret, ...rest }: Properties, image: unknown): Properties {
  if (__manifest === undefined) return rest;
  return { ...rest, image: __manifest === UNKNOWN ? image : __manifest };
}

/**
 * The places of secrets, and of what is made of them. An image that holds one is secret as a whole, as numbers and places
 * of steps say much, and so is what tells its steps and files. Its hash is none: it names the image everywhere.
 */
function derivedSecrets(inputs: Decoded): Place[] {
  const own = inputs.secrets.filter(([property]) => property !== "image");
  return isSecret(inputs, "image") ? [...own, ["image"], ["steps"], ["files"]] : own;
}

/** Inputs that the server holds otherwise by now are as it says: else no plan would show what the next `up` undoes. */
function followDrift(inputs: Properties, before: Properties, now: Properties): Properties {
  const drifted = Object.keys(inputs).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]));
  return { ...inputs, ...Object.fromEntries(drifted.map((name) => [name, now[name]])) };
}

function toProgramPath({ property, reason }: CheckFailure): CheckFailure {
  return { property: property.replace(/^__manifest/, "image"), reason };
}

function toProblem({ property, reason }: CheckFailure): { path: string; message: string } {
  return { path: property, message: reason };
}
