import type { z } from "zod";
import { toProblems } from "../src/image/manifest";
import { inWords } from "../src/image/problem-words";
import { type CheckFailure, hasUnknown, type Properties } from "./context";

/** Inputs: those that are known, parsed, and those that are not, as they came; or what is wrong with the known ones. */
export type ParsedInputs<T> =
  | { readonly known: T; readonly unknown: Properties; readonly failures: readonly [] }
  | { readonly known: undefined; readonly unknown: Properties; readonly failures: readonly CheckFailure[] };

/**
 * Parses what is known, with a schema whose members are all optional: the engine calls check again, with everything
 * known, before it creates anything.
 */
export function parseInputs<T>(schema: z.ZodType<T>, news: Properties): ParsedInputs<T> {
  // Pulumi's own member is none of ours.
  const entries = Object.entries(news).filter(([key]) => key !== "__provider");
  const unknown = Object.fromEntries(entries.filter(([, value]) => hasUnknown(value)));
  const known = Object.fromEntries(entries.filter(([key]) => !(key in unknown)));
  const parsed = schema.safeParse(known, inWords);
  if (parsed.success) return { known: parsed.data, unknown, failures: [] };
  const failures = toProblems(parsed.error, known).map(({ path, message }) => ({
    property: path.replace(/^__manifest/, "image"),
    reason: message,
  }));
  return { known: undefined, unknown, failures };
}

/** The inputs with defaults of the stack below a map of the resource's own; unchanged where there is nothing to add. */
export function withDefaults(news: Properties, key: string, defaults: Properties): Properties {
  const own = news[key] ?? {};
  if (Object.keys(defaults).length === 0 || typeof own !== "object") return news;
  return { ...news, [key]: { ...defaults, ...own } };
}
