import { z } from "zod";
import type { ServerApi } from "../api/contract";
import { routes } from "../api/routes";
import { snapshotInfoSchema } from "../api/schemas";
import { isOpenComputerError } from "../errors";
import { uploadImage } from "./blobs";
import { followBuild } from "./build-stream";
import type { Transport } from "./transport";

type SnapshotCalls = Pick<
  ServerApi,
  "createSnapshot" | "listSnapshots" | "getSnapshot" | "deleteSnapshot" | "followSnapshotLog"
>;

/** The hosted service writes `<hash>:named:<name>`; only the hash is the image's identity. */
const snapshotAnswerSchema = snapshotInfoSchema.transform((info) => ({
  ...info,
  contentHash: info.contentHash.replace(/:.*$/s, ""),
}));

/** The part of the API that is about snapshots. */
export function createSnapshotCalls(transport: Transport, onWarning: (message: string) => void): SnapshotCalls {
  return {
    async createSnapshot({ image, ...fields }, options = {}) {
      const manifest = await uploadImage(transport, image, { onWarning, ...options });
      const call = { method: "POST", path: routes.snapshots, json: { ...fields, image: manifest } } as const;
      return followBuild(transport, snapshotAnswerSchema, call, options);
    },
    listSnapshots: async (options) =>
      (await transport.json(z.array(snapshotAnswerSchema).nullable(), get(routes.snapshots, options))) ?? [],
    getSnapshot: (name, options) => transport.json(snapshotAnswerSchema, get(routes.snapshot(name), options)),
    async deleteSnapshot(name, options) {
      try {
        await transport.send({ method: "DELETE", path: routes.snapshot(name), ...options });
      } catch (error) {
        if (!isOpenComputerError(error, "not_found")) throw error;
      }
    },
    followSnapshotLog: (name, { from, ...options } = {}) =>
      followBuild(transport, snapshotAnswerSchema, get(routes.snapshotLog(name, from), options), options),
  };
}

function get(path: string, options: { readonly signal?: AbortSignal } | undefined) {
  return { method: "GET", path, signal: options?.signal } as const;
}
