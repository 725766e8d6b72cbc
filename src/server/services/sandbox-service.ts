import { randomUUID } from "node:crypto";
import type { Engine } from "../../engines/engine";
import type { Log } from "../log";
import type { OrgStore, OwnedRow, SandboxRow, Store } from "../store/store";
import { abortable } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { BuildService } from "./build-service";
import type { FairQueue } from "./fair-queue";
import type { Progress } from "./progress";
import type { Quotas } from "./quotas";
import { SandboxCreation } from "./sandbox-creation";
import { SandboxLife } from "./sandbox-life";
import type { SandboxWish } from "./sandbox-wish";
import type { SnapshotService } from "./snapshot-service";
import { Turns } from "./turns";
import type { WarmPools } from "./warm-pools";

/** The longest that stopping waits for creates to be over. */
const CLOSE_TIMEOUT_MS = 10_000;

export interface SandboxServiceParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly builds: BuildService;
  readonly snapshots: SnapshotService;
  readonly gate: ActivityGate;
  readonly starts: FairQueue;
  readonly quotas: Quotas;
  readonly warm: WarmPools;
  readonly now: () => number;
  readonly log: Log;
}

/** Somebody who asked for a sandbox. */
export interface Asker {
  /** Fires when they leave. */
  readonly signal: AbortSignal;
  /** Whether the answer reached them, once that is known. */
  readonly answered: Promise<boolean>;
}

export interface CreatedSandbox {
  readonly row: SandboxRow;
  /** False where the owner had it already. */
  readonly isNew: boolean;
}

/**
 * Sandboxes from their creation to their end.
 *
 *   engine creates → row `running` → {@link SandboxLife} → row `stopped`
 *                  → failed, or the asker left before the answer: no row
 */
export class SandboxService {
  /** What becomes of those that run. */
  readonly life: SandboxLife;
  private readonly creation: SandboxCreation;
  private readonly turns = new Turns();

  constructor(private readonly parts: SandboxServiceParts) {
    this.life = new SandboxLife(parts);
    this.creation = new SandboxCreation({ ...parts, state: this.life.state });
  }

  /**
   * Creates a sandbox, building its image first where needed; yields what happens on the way. Where the wish has an owner
   * who has one already, answers with that; of one owner's wishes, each waits until the one before has its answer. A
   * sandbox whose asker left before the answer is removed again.
   *
   * @throws not_found, conflict (snapshot not ready), build_failed, quota_exceeded, aborted, timeout; nothing is left then
   */
  async *create(org: OrgStore, wish: SandboxWish, asker: Asker): Progress<CreatedSandbox> {
    const { owner } = wish;
    // Those without an owner are strangers to each other.
    const endTurn = await this.turns.enter(`${org.orgId}/${owner ?? randomUUID()}`, asker.signal);
    let settled = Promise.resolve();
    try {
      const known = owner === null ? undefined : await this.findOwned(org, owner);
      if (known) return { row: known, isNew: false };
      const row = yield* this.creation.create(org, wish, asker.signal);
      settled = this.settle(org, row, asker);
      return { row, isNew: true };
    } finally {
      void settled.then(endTurn);
    }
  }

  /** The sandboxes that run or sleep and have all these tags, newest first. */
  async list(org: OrgStore, tags: readonly (readonly [key: string, value: string])[]): Promise<SandboxRow[]> {
    const tagged = (await org.listSandboxes()).filter((row) => tags.every(([key, value]) => row.tags[key] === value));
    const rows = await Promise.all(tagged.map((row) => this.life.state.refresh(org, row)));
    return rows.filter((row) => row.status !== "stopped");
  }

  /** Waits for a restore that is under way. @throws not_found, aborted */
  async get(org: OrgStore, id: string, signal: AbortSignal): Promise<SandboxRow> {
    const row = await this.life.state.find(org, id);
    return await this.life.state.refresh(
      org,
      row.restoringTo === null ? row : await this.life.state.settled(org, id, signal),
    );
  }

  /** Puts tags in the place of all that a sandbox has, also of one that has stopped. @throws not_found */
  async setTags(org: OrgStore, id: string, tags: Readonly<Record<string, string>>): Promise<SandboxRow> {
    const row = await this.life.state.find(org, id);
    const change = { tags, tagsUpdatedAt: this.parts.now() };
    await org.updateSandbox(id, change);
    return { ...row, ...change };
  }

  /** Takes over what runs or sleeps from the last server's rows. */
  async adopt(rows: readonly OwnedRow<SandboxRow>[]): Promise<void> {
    for (const row of rows) await this.life.adopt(this.parts.store.forOrg(row.orgId), row);
  }

  /** Waits until what was begun is there or undone, and lets go of the timers; sandboxes run on. */
  async close(): Promise<void> {
    try {
      await abortable(this.turns.over(), AbortSignal.timeout(CLOSE_TIMEOUT_MS));
    } finally {
      await this.life.state.close();
    }
  }

  /** Who left before the answer does not know the id, so nobody could ever end it. */
  private async settle(org: OrgStore, row: SandboxRow, { answered }: Asker): Promise<void> {
    if (!(await answered)) await this.creation.undo(org, row.id);
  }

  /** The sandbox of an owner whose turn it is; awake, as a new one would be. */
  private async findOwned(org: OrgStore, owner: string): Promise<SandboxRow | undefined> {
    const row = await org.findSandboxOf(owner);
    if (row === undefined) return undefined;
    const current = await this.life.state.refresh(org, row);
    if (current.status === "stopped") return undefined;
    this.life.state.use(row.id)();
    return current.status === "hibernated" ? await this.life.wake(org, row.id) : current;
  }
}
