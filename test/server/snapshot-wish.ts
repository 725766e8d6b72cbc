import type { ImageManifest } from "../../src/image/image-manifest";
import type { SnapshotRow, SnapshotWish } from "../../src/server/store/snapshot-store";
import type { CheckpointRow, OrgStore } from "../../src/server/store/store";

export const MANIFEST: ImageManifest = { base: "base", steps: [{ type: "workdir", args: { path: "/w" } }] };

export function checkpointRow(id: string, contentHash = "h"): CheckpointRow {
  return {
    ...{ id, contentHash, baseDigest: "base", buildId: `build-${id}`, createdAt: 1 },
    checkpoint: { layers: ["l"], env: { A: 'q"\n' }, workdir: "/w" },
  };
}

/** A wish for a version of a name, whether it is there or not. */
export function wishFor(name: string, contentHash = "h", more: Partial<SnapshotWish> = {}): SnapshotWish {
  return { name, isNew: false, contentHash, manifest: MANIFEST, ...more };
}

/** A version with a checkpoint of its own, as after a build. */
export async function publish(org: OrgStore, wish: SnapshotWish, now = 1): Promise<SnapshotRow> {
  const checkpointId = `c-${org.orgId}-${wish.contentHash}`;
  const isThere = (await org.getCheckpoint(checkpointId)) !== undefined;
  if (!isThere) await org.saveImage(wish.manifest, checkpointRow(checkpointId, wish.contentHash));
  return await org.snapshots.publish(wish, { checkpointId, buildId: `build-${checkpointId}` }, now);
}

/** The version that the bare name means. */
export async function currentOf(org: OrgStore, name: string): Promise<SnapshotRow | undefined> {
  return (await org.snapshots.find({ name, kind: "current" }))[0];
}
