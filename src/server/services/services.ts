import { join } from "node:path";
import type { Engine } from "../../engines/engine";
import type { Limits } from "../limits";
import type { Log } from "../log";
import type { Store } from "../store/store";
import { ActivityGate } from "./activity-gate";
import { BlobStore } from "./blob-store";
import { BuildHistory } from "./build-history";
import { BuildService } from "./build-service";
import { CheckpointService } from "./checkpoint-service";
import { CollectionService } from "./collection-service";
import { ExecService } from "./exec-service";
import { FairQueue } from "./fair-queue";
import { FileService } from "./file-service";
import { Quotas } from "./quotas";
import { SandboxService } from "./sandbox-service";
import { SnapshotService } from "./snapshot-service";
import { WarmPools } from "./warm-pools";

export interface ServicesParts {
  readonly engine: Engine;
  readonly store: Store;
  /** Folder of blobs and build logs. */
  readonly home: string;
  readonly now: () => number;
  readonly log: Log;
  /** How many builds may run at a time; the others wait for their turn. */
  readonly buildsAtOnce: number;
  /** How many sandboxes may be starting at a time; the others wait for their turn. */
  readonly startsAtOnce: number;
  readonly limits: Limits;
}

/** The services, wired. */
export function createServices(options: ServicesParts) {
  const quotas = new Quotas(options.limits);
  const parts = { ...options, quotas };
  const gate = new ActivityGate();
  const blobs = new BlobStore(join(parts.home, "blobs"), parts.now, gate, quotas);
  const queue = new FairQueue(parts.buildsAtOnce);
  const starts = new FairQueue(parts.startsAtOnce);
  const builds = new BuildService({ ...parts, blobs, gate, queue, logDir: join(parts.home, "builds") });
  const history = new BuildHistory(builds);
  const warm = new WarmPools({ ...parts, gate, starts });
  const snapshots = new SnapshotService({ ...parts, builds, gate, warm });
  const sandboxes = new SandboxService({ ...parts, builds, snapshots, gate, starts, warm });
  const { life } = sandboxes;
  const checkpoints = new CheckpointService({ ...parts, sandboxes, gate });
  const exec = new ExecService({ ...parts, life });
  const files = new FileService({ ...parts, life });
  const collection = new CollectionService({ ...parts, blobs, gate });
  return { quotas, blobs, builds, history, snapshots, sandboxes, checkpoints, warm, exec, files, collection };
}

export type Services = ReturnType<typeof createServices>;
