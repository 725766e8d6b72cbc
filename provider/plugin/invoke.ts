import { z } from "zod";
import { labelsSchema, snapshotNameSchema, snapshotRefSchema } from "../../src/api/schemas";
import type { CheckFailure, HandlerContext, Properties } from "../context";
import { parseInputs } from "../inputs";
import { toSnapshotResult } from "../snapshot-result";
import type { NativeSession } from "./native-session";

/** What a function says, or what is wrong with its arguments. */
export type Answer = { readonly result: Properties } | { readonly failures: readonly CheckFailure[] };

export const getSnapshotArgsSchema = z
  .strictObject({
    name: snapshotNameSchema.optional(),
    ref: snapshotRefSchema.optional(),
    endpoint: z.string().optional(),
  })
  .refine(({ name, ref }) => (name === undefined) !== (ref === undefined), "needs either name or ref");
export const listSnapshotsArgsSchema = z.strictObject({
  labels: labelsSchema.optional(),
  endpoint: z.string().optional(),
});

/** Calls a function by its token. */
export async function invoke(session: NativeSession, token: string, args: Properties): Promise<Answer> {
  switch (token) {
    case "opencomputer:index:getSnapshot":
      return call(session, getSnapshotArgsSchema, args, async ({ api, signal }, { name, ref = name ?? "" }) => ({
        ...toSnapshotResult(await api.getSnapshot(ref, { signal })),
      }));
    case "opencomputer:index:listSnapshots":
      return call(session, listSnapshotsArgsSchema, args, async ({ api, signal }, { labels }) => ({
        snapshots: (await api.listSnapshots({ signal, ...(labels ? { labels } : {}) })).map(toSnapshotResult),
      }));
    default:
      return { failures: [{ property: "", reason: `${token} is none of our functions: getSnapshot, listSnapshots` }] };
  }
}

async function call<T extends { readonly endpoint?: string | undefined }>(
  session: NativeSession,
  schema: z.ZodType<T>,
  args: Properties,
  action: (context: HandlerContext, args: T) => Promise<Properties>,
): Promise<Answer> {
  const { known, failures } = parseInputs(schema, args);
  if (known === undefined) return { failures };
  return { result: await session.run(NOBODY, known.endpoint, (context) => action(context, known)) };
}

/** A function has no row of its own in the display. */
const NOBODY = { urn: "", timeoutSeconds: 0 };
