import { type Properties, UNKNOWN } from "../context";

/**
 * Property values as Pulumi's wire spells them, and as handlers know them: plain JSON, {@link UNKNOWN} for whatever is not
 * known, and beside it the places of what is secret.
 */
export interface Decoded {
  readonly values: Properties;
  /** The outermost secret places. */
  readonly secrets: readonly Place[];
}

/** Where something stands in a tree of properties: names and indices. */
export type Place = readonly (string | number)[];

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** The engine spells the unknown by the type that it expects; handlers know one spelling. */
const UNKNOWNS: ReadonlySet<unknown> = new Set([
  UNKNOWN,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** Takes the secrets' wrappings off, and says where they were. */
export function decode(wire: unknown): Decoded {
  const secrets: Place[] = [];
  const values = unwrap(wire ?? {}, [], (place) => secrets.push(place));
  return { values: isRecord(values) ? values : {}, secrets };
}

/**
 * Puts the wrappings on again. Where a secret place inside a property is not there any more, what it was part of becomes
 * secret; members that are undefined are left out, as the wire has no word for them.
 */
export function encode(values: Properties, secrets: readonly Place[]): Properties {
  const wire = { ...withoutUndefined(values) };
  for (const [property, ...rest] of [...secrets].sort((a, b) => a.length - b.length)) {
    if (property === undefined || !(property in wire)) continue;
    wire[property] = wrap(wire[property], rest);
  }
  return wire;
}

/** Whether anything at or below a top-level property is secret. */
export function isSecret({ secrets }: Pick<Decoded, "secrets">, property: string): boolean {
  return secrets.some(([first]) => first === property);
}

function unwrap(value: unknown, place: Place, onSecret: (place: Place) => void): unknown {
  if (UNKNOWNS.has(value)) return UNKNOWN;
  if (Array.isArray(value)) return value.map((item, index) => unwrap(item, [...place, index], onSecret));
  if (!isRecord(value)) return value;
  if (value[SIGNATURE] === SECRET) {
    onSecret(place);
    return unwrap(value["value"], place, () => undefined);
  }
  const entries = Object.entries(value).map(([key, inner]) => [key, unwrap(inner, [...place, key], onSecret)]);
  return Object.fromEntries(entries);
}

function wrap(value: unknown, [first, ...rest]: Place): unknown {
  if (isRecord(value) && value[SIGNATURE] === SECRET) return value;
  if (first === undefined) return { [SIGNATURE]: SECRET, value };
  if (Array.isArray(value) && Number(first) < value.length) {
    return value.map((item, index) => (index === first ? wrap(item, rest) : item));
  }
  if (isRecord(value) && first in value) return { ...value, [first]: wrap(value[first], rest) };
  return { [SIGNATURE]: SECRET, value };
}

function withoutUndefined<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutUndefined) as T & unknown[];
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutUndefined(inner)])) as T & object;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
