import type { Engine } from "../../engines/engine";
import type { Log } from "../log";
import type { SnapshotRow } from "../store/snapshot-store";
import type { OrgStore, Store } from "../store/store";
import type { ActivityGate } from "./activity-gate";
import type { FairQueue } from "./fair-queue";
import { DEFAULT_SIZE } from "./sandbox-size";
import { toSandboxSpec } from "./sandbox-spec";
import { startSandbox } from "./sandbox-start";
import { newSandboxId, type Origin, type SandboxWish } from "./sandbox-wish";

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** A refill begins this long after a claim: whoever has just got a sandbox wants to use it, and has the machine first. */
const REST_MS = 100;

export interface WarmPoolsParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly gate: ActivityGate;
  readonly starts: FairQueue;
  readonly log: Log;
}

/** Sandboxes of one version of a snapshot that wait for somebody. */
interface Pool {
  readonly org: OrgStore;
  readonly name: string;
  /** What is wanted: the name's current version and how many. Undefined once the name has no pool. */
  wanted: SnapshotRow | undefined;
  /** Which content those that wait have. */
  checkpointId: string | null;
  ready: string[];
  filling: Promise<void> | undefined;
  refill: NodeJS.Timeout | undefined;
  /** More than what is under way was asked for. */
  isStale: boolean;
  retryMs: number;
}

/**
 * Keeps sandboxes started ahead of anybody's asking: as many of the current version of a name as its `warmPool` says, of
 * the default size and network. They have no row: until they are claimed they are nobody's, and what a crash leaves of
 * them is removed by the next start of the server.
 *
 *   wanted → started in the background, when no create waits → ready → claimed: a sandbox as any other
 *                                                                    → another version, fewer wanted, name gone: removed
 */
export class WarmPools {
  private readonly pools = new Map<string, Pool>();
  private readonly closing = new AbortController();

  constructor(private readonly parts: WarmPoolsParts) {}

  /** Begins to keep all pools that the store knows of. */
  async open(): Promise<void> {
    for (const { orgId, name } of await this.parts.store.listWarmPools()) {
      this.refresh(this.parts.store.forOrg(orgId), name);
    }
  }

  /** Looks again at what is wanted of a name; returns at once. */
  refresh(org: OrgStore, name: string): void {
    if (this.closing.signal.aborted) return;
    const key = keyOf(org, name);
    const pool = this.pools.get(key) ?? newPool(org, name);
    this.pools.set(key, pool);
    clearTimeout(pool.refill);
    pool.refill = undefined;
    pool.isStale = true;
    pool.filling ??= this.fill(pool);
  }

  /** A sandbox that waits for such a wish, now the asker's own; undefined where there is none. */
  async claim(org: OrgStore, { checkpoint, snapshot }: Origin, wish: SandboxWish): Promise<string | undefined> {
    const pool = snapshot && this.pools.get(keyOf(org, snapshot.name));
    if (!pool || !isUsual(wish) || pool.checkpointId !== checkpoint.id) return undefined;
    pool.refill ??= setTimeout(() => this.refresh(org, pool.name), REST_MS).unref();
    for (;;) {
      const id = pool.ready.shift();
      if (id === undefined || (await this.parts.engine.sandboxStatus(id)) === "running") return id;
      await this.remove([id]);
    }
  }

  /** Removes all that wait: without a server nobody can claim them. */
  async close(): Promise<void> {
    this.closing.abort();
    for (const pool of this.pools.values()) {
      clearTimeout(pool.refill);
      await pool.filling;
      await this.remove(pool.ready.splice(0));
    }
  }

  /** Brings a pool to what is wanted of it; one at a time for each. */
  private async fill(pool: Pool): Promise<void> {
    try {
      while (pool.isStale && !this.closing.signal.aborted) {
        pool.isStale = false;
        await this.bringUpToDate(pool);
        pool.retryMs = FIRST_RETRY_MS;
      }
    } catch (err) {
      if (!this.closing.signal.aborted) this.retryLater(pool, err);
    }
    // No await stands between the last look at `isStale` and here, so what was asked for meanwhile has been done.
    pool.filling = undefined;
    if (pool.wanted === undefined && pool.ready.length === 0) this.pools.delete(keyOf(pool.org, pool.name));
  }

  private retryLater(pool: Pool, err: unknown): void {
    const { retryMs, name } = pool;
    this.parts.log.error({ err, snapshot: name, retryMs }, "a warm pool could not be filled; trying again");
    pool.retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
    pool.isStale = false;
    pool.refill = setTimeout(() => this.refresh(pool.org, name), retryMs).unref();
  }

  private async bringUpToDate(pool: Pool): Promise<void> {
    const [row] = await pool.org.snapshots.find({ name: pool.name, kind: "current" });
    pool.wanted = row && row.warmPool > 0 && row.status === "ready" ? row : undefined;
    const { checkpointId = null, warmPool: count = 0 } = pool.wanted ?? {};
    const isOther = pool.checkpointId !== checkpointId;
    pool.checkpointId = checkpointId;
    await this.remove(pool.ready.splice(isOther ? 0 : count));
    while (pool.ready.length < count && !pool.isStale && checkpointId !== null) await this.add(pool, checkpointId);
  }

  private async add(pool: Pool, checkpointId: string): Promise<void> {
    const { engine, gate, starts } = this.parts;
    const endTurn = await starts.enter({ group: pool.org.orgId, background: true }, this.closing.signal);
    try {
      const leaveGate = await gate.enter();
      try {
        const checkpoint = await pool.org.getCheckpoint(checkpointId);
        if (checkpoint === undefined) throw new Error(`checkpoint ${checkpointId} is not recorded`);
        const id = newSandboxId();
        const spec = toSandboxSpec({ ...DEFAULT_SIZE, id, diskMB: null, network: "egress" }, checkpoint.checkpoint);
        await startSandbox(engine, spec, this.closing.signal, endTurn);
        pool.ready.push(id);
      } finally {
        leaveGate();
      }
    } finally {
      endTurn();
    }
  }

  /** Only logs what goes wrong: what is left is removed by the next start of the server. */
  private async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      try {
        await this.parts.engine.destroySandbox(id);
      } catch (err) {
        this.parts.log.error({ err, sandbox: id }, "a warm sandbox could not be removed");
      }
    }
  }
}

function newPool(org: OrgStore, name: string): Pool {
  return {
    ...{ org, name, wanted: undefined, checkpointId: null, ready: [] },
    ...{ filling: undefined, refill: undefined, isStale: false, retryMs: FIRST_RETRY_MS },
  };
}

function isUsual({ memoryMB, cpuCount, diskMB, network }: SandboxWish): boolean {
  const isUsualSize = memoryMB === DEFAULT_SIZE.memoryMB && cpuCount === DEFAULT_SIZE.cpuCount && diskMB === null;
  return isUsualSize && network === "egress";
}

function keyOf(org: OrgStore, name: string): string {
  return `${org.orgId}/${name}`;
}
