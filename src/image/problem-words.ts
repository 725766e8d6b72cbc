import type { z } from "zod";
import { withoutCredentials } from "./credentials";
import { isOutput, OUTPUT_ADVICE } from "./output";

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

const KINDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};
const DISCRIMINATORS: Readonly<Record<string, string>> = { type: "step type", kind: "kind of entry" };

/** Parts of a path below which a value may be a secret; `args` only where it is a command's, at the root. */
const SECRET_PARTS: ReadonlySet<PropertyKey> = new Set([
  ...["vars", "envs", "content", "apiKey", "commands", "command", "readyCommand", "cmd"],
]);
const MAX_SHOWN_LENGTH = 80;

/**
 * Parse with this (`schema.safeParse(input, inWords)`), and what zod itself has to say is said in sentences; a message
 * of the schema's own stays as it is.
 */
export const inWords = { error: describeIssue } as const;

/** `; got "x"`: the value that stands at a path, or nothing where it is no plain value or may be a secret. */
export function describeValue(path: readonly PropertyKey[], input: unknown): string {
  if (path[0] === "args" || path.some((part) => SECRET_PARTS.has(part))) return "";
  const value = valueAt(path, input);
  if (value !== null && !["string", "number", "boolean"].includes(typeof value)) return "";
  return `; got ${shorten(JSON.stringify(typeof value === "string" ? withoutCredentials(value) : value))}`;
}

function valueAt(path: readonly PropertyKey[], input: unknown): unknown {
  return path.reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null ? Reflect.get(at, part) : undefined),
    input,
  );
}

function shorten(text: string): string {
  return text.length <= MAX_SHOWN_LENGTH ? text : `${text.slice(0, MAX_SHOWN_LENGTH - 2)}…"`;
}

/** Undefined leaves it to zod. */
function describeIssue(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return describeType(KINDS[issue.expected], issue.input);
    case "invalid_value":
      return issue.values.length === 1 ? `must be ${list(issue.values)}` : `must be one of ${list(issue.values)}`;
    case "invalid_union":
      return describeUnion(issue);
    case "invalid_key":
      return `is no name that may stand here: it ${issue.issues.map(({ message }) => message).join(", ")}`;
    case "unrecognized_keys":
      return `has what is not known here: ${list(issue.keys)}`;
    case "too_small":
      return describeLimit("at least", issue.origin, issue.minimum);
    case "too_big":
      return describeLimit("at most", issue.origin, issue.maximum);
    default:
      return undefined;
  }
}

function describeType(expected: string | undefined, input: unknown): string | undefined {
  if (expected === undefined) return undefined;
  if (input === undefined) return `is missing; must be ${expected}`;
  if (Array.isArray(input)) return `must be ${expected}, not a list`;
  if (isOutput(input)) return `must be ${expected}, ${OUTPUT_ADVICE}`;
  return typeof input === "object" && input !== null ? `must be ${expected}, not an object` : `must be ${expected}`;
}

function describeUnion(issue: RawIssue & { readonly code: "invalid_union" }): string {
  const { discriminator, options } = issue as { readonly discriminator?: string; readonly options?: unknown[] };
  if (discriminator === undefined || !options) return "has none of the forms that it may have";
  return `is no ${DISCRIMINATORS[discriminator] ?? discriminator}; expected one of ${options.join(", ")}`;
}

function describeLimit(bound: string, origin: string, limit: number | bigint): string | undefined {
  if (bound === "at least" && limit === 1 && origin !== "number" && origin !== "int") return "must not be empty";
  if (origin === "number" || origin === "int") return `must be ${bound} ${limit}`;
  if (origin === "string") return `must have ${bound} ${limit} characters`;
  return origin === "array" ? `must have ${bound} ${limit} items` : undefined;
}

function list(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(", ");
}
