import { z } from "zod";
import type { CallOptions, ServerApi } from "../api/contract";
import { routes } from "../api/routes";
import { snapshotInfoSchema, snapshotUsageSchema } from "../api/schemas";
import { isOpenComputerError } from "../errors";
import { sendImage } from "./blobs";
import { asOneBuild, followBuild } from "./build-stream";
import { followLog } from "./log-stream";
import type { Transport } from "./transport";

type SnapshotCalls = Pick<
  ServerApi,
  | "createSnapshot"
  | "listSnapshots"
  | "getSnapshot"
  | "deleteSnapshot"
  | "followSnapshotLog"
  | "listSnapshotVersions"
  | "promoteSnapshot"
  | "tagSnapshot"
  | "untagSnapshot"
  | "updateSnapshot"
  | "snapshotUsage"
>;

/** The hosted service writes `<hash>:named:<name>`; only the hash is the image's identity. */
const snapshotAnswerSchema = snapshotInfoSchema.transform((info) => ({
  ...info,
  contentHash: info.contentHash.replace(/:.*$/s, ""),
}));

/** The part of the API that is about snapshots. */
export function createSnapshotCalls(transport: Transport, onWarning: (message: string) => void): SnapshotCalls {
  return {
    createSnapshot: ({ image, ...fields }, options = {}) =>
      asOneBuild(options.signal, () =>
        sendImage(transport, image, { onWarning, ...options }, async (manifest) => {
          const call = { method: "POST", path: routes.snapshots, json: { ...fields, image: manifest } } as const;
          return await followBuild(transport, snapshotAnswerSchema, call, options);
        }),
      ),
    listSnapshots: async ({ labels = {}, ...options } = {}) =>
      (await transport.json(
        z.array(snapshotAnswerSchema).nullable(),
        get(routes.snapshotsLabelled(labels), options),
      )) ?? [],
    getSnapshot: (ref, options) => transport.json(snapshotAnswerSchema, get(routes.snapshot(ref), options)),
    deleteSnapshot: (ref, options) => remove(transport, routes.snapshot(ref), options),
    followSnapshotLog: (name, options) =>
      followLog(transport, snapshotAnswerSchema, (from) => routes.snapshotLog(name, from), options),
    listSnapshotVersions: (name, options) =>
      transport.json(z.array(snapshotAnswerSchema), get(routes.snapshotVersions(name), options)),
    promoteSnapshot: (ref, options) => {
      const call = { method: "POST", path: routes.snapshotPromote(ref), idempotent: true, ...options } as const;
      return transport.json(snapshotAnswerSchema, call);
    },
    tagSnapshot: (ref, tag, options) =>
      transport.json(snapshotAnswerSchema, { method: "PUT", path: routes.snapshotTag(ref, tag), ...options }),
    untagSnapshot: (name, tag, options) => remove(transport, routes.snapshotTag(name, tag), options),
    updateSnapshot: (name, change, options) =>
      transport.json(snapshotAnswerSchema, { method: "PATCH", path: routes.snapshot(name), json: change, ...options }),
    snapshotUsage: (name, options) => transport.json(snapshotUsageSchema, get(routes.snapshotUsage(name), options)),
  };
}

/** What is gone already is fine. */
async function remove(transport: Transport, path: string, options: CallOptions | undefined): Promise<void> {
  try {
    await transport.send({ method: "DELETE", path, ...options });
  } catch (error) {
    if (!isOpenComputerError(error, "not_found")) throw error;
  }
}

function get(path: string, options: CallOptions | undefined) {
  return { method: "GET", path, signal: options?.signal } as const;
}
