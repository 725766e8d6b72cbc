import { randomBytes } from "node:crypto";
import type { NetworkPolicy } from "../../engines/engine";
import type { ImageManifest } from "../../image/image-manifest";
import type { SnapshotRow } from "../store/snapshot-store";
import type { CheckpointRow, SandboxRow } from "../store/store";

/** A sandbox as somebody wants it. */
export interface SandboxWish {
  /** What it starts from; a snapshot wins over an image, and neither is the base. */
  readonly snapshot?: string;
  readonly image?: ImageManifest;
  readonly envs: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly memoryMB: number;
  readonly cpuCount: number;
  /** Idle seconds; 0 is never. */
  readonly timeoutSeconds: number;
  readonly stepTimeoutMs: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly network: NetworkPolicy;
  /** Who it is for, in their own words: one that runs is as good as a new one. Null is anybody. */
  readonly owner: string | null;
}

/** What a sandbox starts from, found. */
export interface Origin {
  readonly checkpoint: CheckpointRow;
  readonly snapshot: SnapshotRow | null;
}

/** The row of a sandbox that is about to be created. */
export function toNewRow(wish: SandboxWish, origin: Origin, now: number): SandboxRow {
  const { envs, metadata, memoryMB, cpuCount, timeoutSeconds, tags, network, owner } = wish;
  return {
    ...{ id: `sb-${randomBytes(6).toString("hex")}`, status: "creating", startedAt: now, stoppedAt: null },
    ...{ checkpointId: origin.checkpoint.id, deadline: null },
    ...{ snapshot: origin.snapshot?.name ?? null, snapshotVersion: origin.snapshot?.version ?? null },
    ...{ envs, metadata, memoryMB, cpuCount, timeoutSeconds, tags, network, owner },
    tagsUpdatedAt: Object.keys(tags).length > 0 ? now : null,
  };
}
