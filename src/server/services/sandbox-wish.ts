import { randomBytes } from "node:crypto";
import type { NetworkPolicy } from "../../engines/engine";
import type { ImageManifest } from "../../image/image-manifest";
import type { SnapshotRow } from "../store/snapshot-store";
import type { CheckpointRow, SandboxRow } from "../store/store";

/** A sandbox as somebody wants it. */
export interface SandboxWish {
  readonly from: WishedOrigin;
  readonly envs: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly memoryMB: number;
  readonly cpuCount: number;
  /** What it may write, in MiB; null is the engine's quota. */
  readonly diskMB: number | null;
  /** Idle seconds; 0 is never. */
  readonly timeoutSeconds: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly network: NetworkPolicy;
  /** Who it is for, in their own words: one that runs is as good as a new one. Null is anybody. */
  readonly owner: string | null;
}

/** What a sandbox is to start from; what has to be built for it has a limit for each step. */
export type WishedOrigin =
  | { readonly kind: "image"; readonly manifest: ImageManifest; readonly stepTimeoutMs: number }
  | { readonly kind: "snapshot"; readonly ref: string; readonly stepTimeoutMs: number }
  | { readonly kind: "checkpoint"; readonly id: string };

/** What a sandbox starts from, found. */
export interface Origin {
  readonly checkpoint: CheckpointRow;
  readonly snapshot: SnapshotRow | null;
}

/** A name for a sandbox that nobody has. */
export function newSandboxId(): string {
  return `sb-${randomBytes(6).toString("hex")}`;
}

/** The row of a sandbox that runs since `now`. */
export function toNewRow(id: string, wish: SandboxWish, origin: Origin, now: number): SandboxRow {
  const { envs, metadata, memoryMB, cpuCount, diskMB, timeoutSeconds, tags, network, owner } = wish;
  return {
    ...{ id, status: "running", startedAt: now, stoppedAt: null, deadline: null },
    ...{ checkpointId: origin.checkpoint.id, restoringTo: null },
    ...{ snapshot: origin.snapshot?.name ?? null, snapshotId: origin.snapshot?.id ?? null },
    snapshotVersion: origin.snapshot?.version ?? null,
    ...{ envs, metadata, memoryMB, cpuCount, diskMB, timeoutSeconds, tags, network, owner, stopReason: null },
    tagsUpdatedAt: Object.keys(tags).length > 0 ? now : null,
  };
}
