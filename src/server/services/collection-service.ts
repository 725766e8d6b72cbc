import { rm } from "node:fs/promises";
import type { Collected } from "../../api/records";
import type { Engine } from "../../engines/engine";
import { failpoint } from "../../failpoint";
import type { Store } from "../store/store";
import type { ActivityGate } from "./activity-gate";
import type { BlobStore } from "./blob-store";

const DAY_MS = 24 * 3_600_000;
/** Bytes that somebody asked about or uploaded this recently may be for a manifest that is still to come. */
const BLOB_REST_MS = DAY_MS;
const HISTORY_MS = 30 * DAY_MS;
/** How long a collection waits for builds and sandbox starts to finish. */
const PATIENCE_MS = 10_000;

export interface CollectionServiceParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly gate: ActivityGate;
  readonly now: () => number;
}

/** Removes what nothing needs: unnamed images, layers, uploaded bytes, old history. */
export class CollectionService {
  constructor(private readonly parts: CollectionServiceParts) {}

  /**
   * @param verifies whether all layers are read first, and what is damaged put aside
   * @throws conflict where builds or sandbox starts kept the server busy
   */
  async collect(verifies: boolean, signal: AbortSignal): Promise<Collected> {
    const damaged = verifies ? { damaged: await this.parts.engine.verify(signal) } : {};
    return { ...(await this.parts.gate.collect(() => this.sweep(), PATIENCE_MS)), ...damaged };
  }

  private async sweep(): Promise<Collected> {
    const { engine, store, blobs, now } = this.parts;
    await store.dropSuperseded(now());
    await store.dropUnneeded();
    failpoint("collect.rows");
    const live = (await store.listCheckpoints()).map((row) => row.checkpoint);
    const { layers, sizeBytes } = await engine.collect(live);
    failpoint("collect.layers");
    const before = now() - BLOB_REST_MS;
    await store.dropBlobs(before);
    const removed = await blobs.removeAllBut(await store.listBlobs(), before);
    failpoint("collect.blobs");
    const { logPaths } = await store.dropHistory(now() - HISTORY_MS);
    for (const path of logPaths) await rm(path, { force: true });
    return { layers, blobs: removed.length, sizeBytes: removed.reduce((sum, size) => sum + size, sizeBytes) };
  }
}
