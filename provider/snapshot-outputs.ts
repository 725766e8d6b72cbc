import { z } from "zod";
import type { SnapshotInfo } from "../src/api/records";
import { type Properties, visible } from "./context";
import { isSame } from "./is-same";
import { toRef } from "./snapshot-result";

/** What is recorded of a snapshot. Nothing that moves by itself (lastUsedAt): it would be drift on every refresh. */
export function toOutputs(inputs: Properties, snapshot: SnapshotInfo): Properties {
  const { name, checkpointId = null, status, createdAt, version, owner } = snapshot;
  // A server without versions has a hash of its own, which would make every plan a replacement.
  const contentHash = version === undefined ? String(inputs["contentHash"]) : snapshot.contentHash;
  return {
    ...visible(inputs),
    contentHash,
    ref: toRef(name, contentHash),
    record: { checkpointId, status, createdAt, version, owner },
    ...(version === undefined ? {} : driftOf(inputs, snapshot)),
  };
}

/** What somebody changed by hand; a server that keeps none of it has no say. */
function driftOf(inputs: Properties, { labels, warmPool = 0 }: SnapshotInfo): Properties {
  return {
    ...(isSame(inputs["labels"], labels) ? {} : { labels }),
    ...((inputs["warmPool"] ?? 0) === warmPool ? {} : { warmPool }),
  };
}

const versionedSchema = z.object({ record: z.object({ version: z.number() }) });

/** Whether the server is known to have versions, and so to keep what stands with a name. */
export function hasVersions(outs: Properties): boolean {
  return versionedSchema.safeParse(outs).success;
}
