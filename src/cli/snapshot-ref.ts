import { InvalidArgumentError } from "commander";
import type { z } from "zod";
import { snapshotNameSchema, snapshotRefSchema, snapshotTagSchema } from "../api/schemas";

/** A snapshot's name on the command line. */
export function parseName(text: string): string {
  return parse(snapshotNameSchema, text);
}

/** A snapshot or one version of it: `agent`, `agent@3`, `agent@4f2a91c07be3`, `agent:stable`. */
export function parseRef(text: string): string {
  return parse(snapshotRefSchema, text);
}

/** One version of a snapshot; its name alone is not enough. */
export function parseVersionRef(text: string): string {
  if (isVersionRef(parseRef(text))) return text;
  const message = "It must name a version, as NAME@3, NAME@CONTENT_HASH or NAME:TAG; see them with: ";
  throw new InvalidArgumentError(`${message}pulumi-opencomputer versions ${text}`);
}

/** A further name of a version. */
export function parseTag(text: string): string {
  return parse(snapshotTagSchema, text);
}

/** True for `agent@3` and `agent:stable`, false for `agent` and for ids of sandboxes. */
export function isVersionRef(text: string): boolean {
  return /[@:]/.test(text);
}

function parse(schema: z.ZodType<string>, text: string): string {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`It ${parsed.error.issues.map(({ message }) => message).join("; ")}.`);
}
