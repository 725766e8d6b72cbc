import { z } from "zod";
import { createSandboxFieldsSchema } from "../../api/schemas";
import { OpenComputerError } from "../../errors";

/** On the wire a negative timeout is 0, never; our own clients do not send one. */
export const timeoutSchema = z.preprocess(
  (seconds) => (Number.isInteger(seconds) ? Math.max(Number(seconds), 0) : seconds),
  createSandboxFieldsSchema.timeout,
);

/** What the hosted service offers and this server does not; who relies on it must know. */
const UNSUPPORTED = ["secretStore", "previewAuth", "webhooks"] as const;
type Unsupported = (typeof UNSUPPORTED)[number];

/** Members that may be sent as long as they say nothing. */
export const unsupported = {
  fields: {
    secretStore: z.unknown().optional(),
    previewAuth: z.unknown().optional(),
    webhooks: z.unknown().optional(),
  },

  /** The rest of a body. @throws unsupported where one of them says something */
  refuse<T extends { readonly [name in Unsupported]?: unknown }>(body: T): Omit<T, Unsupported> {
    const { secretStore, previewAuth, webhooks, ...rest } = body;
    const said = { secretStore, previewAuth, webhooks };
    const asked = UNSUPPORTED.filter((name) => isSet(said[name]));
    if (asked.length === 0) return rest;
    const message = `this server has no ${asked.join(", ")}; leave it out, or use a server that has it`;
    throw new OpenComputerError("unsupported", message, { details: { fields: asked } });
  },
};

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}
