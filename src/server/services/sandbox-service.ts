import { randomUUID } from "node:crypto";
import type { BuildEvent, Engine } from "../../engines/engine";
import { OpenComputerError } from "../../errors";
import type { Log } from "../log";
import type { CheckpointRow, OrgStore, OwnedRow, SandboxRow, Store } from "../store/store";
import { abortable } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { BuildService } from "./build-service";
import type { FairQueue } from "./fair-queue";
import { IdleSandboxes } from "./idle-sandboxes";
import { SandboxCreation } from "./sandbox-creation";
import type { SandboxWish } from "./sandbox-wish";
import type { SnapshotService } from "./snapshot-service";
import { Turns } from "./turns";

/** The longest that stopping waits for creates to be over. */
const CLOSE_TIMEOUT_MS = 10_000;

export interface SandboxServiceParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly builds: BuildService;
  readonly snapshots: SnapshotService;
  readonly gate: ActivityGate;
  readonly starts: FairQueue;
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

/** A sandbox in use: it does not count as idle until {@link SandboxUse.end}. */
export interface SandboxUse {
  readonly sandbox: SandboxRow;
  end(): void;
}

/**
 * Sandboxes from their creation to their end.
 *
 *   row `creating` → engine creates → row `running` → killed, idle for its timeout, or found dead → row `stopped`
 *                  → failed, or the asker left before the answer: no row
 */
export class SandboxService {
  private readonly idle: IdleSandboxes;
  private readonly creation: SandboxCreation;
  private readonly turns = new Turns();

  constructor(private readonly parts: SandboxServiceParts) {
    this.idle = new IdleSandboxes({ ...parts, stop: (org, row) => this.stopSandbox(org, row) });
    this.creation = new SandboxCreation({ ...parts, idle: this.idle });
  }

  /**
   * Creates a sandbox, building its image first where needed; yields what happens on the way. Where the wish has an owner
   * who has one already, answers with that; of one owner's wishes, each waits until the one before has its answer. A
   * sandbox whose asker left before the answer is removed again.
   *
   * @throws not_found, conflict (snapshot not ready), build_failed, aborted, timeout; nothing is left then
   */
  async *create(org: OrgStore, wish: SandboxWish, asker: Asker): AsyncGenerator<BuildEvent, CreatedSandbox> {
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

  /** The running sandboxes that have all these tags, newest first. */
  async list(org: OrgStore, tags: readonly (readonly [key: string, value: string])[]): Promise<SandboxRow[]> {
    const tagged = (await org.listSandboxes()).filter((row) => tags.every(([key, value]) => row.tags[key] === value));
    const rows = await Promise.all(tagged.map((row) => this.refresh(org, row)));
    return rows.filter((row) => row.status === "running");
  }

  /** @throws not_found */
  async get(org: OrgStore, id: string): Promise<SandboxRow> {
    return await this.refresh(org, await this.find(org, id));
  }

  /** Ends a sandbox; one that has stopped is fine. @throws not_found */
  async kill(org: OrgStore, id: string): Promise<void> {
    await this.stopSandbox(org, await this.find(org, id));
  }

  /** Sets the idle timeout anew, counted from now; 0 is never. @throws not_found, gone */
  async setTimeout(org: OrgStore, id: string, timeoutSeconds: number): Promise<void> {
    const row = requireRunning(await this.find(org, id));
    const deadline = this.idle.watch(org, { ...row, timeoutSeconds, deadline: null });
    await org.updateSandbox(id, { timeoutSeconds, deadline });
  }

  /** Puts tags in the place of all that a sandbox has, also of one that has stopped. @throws not_found */
  async setTags(org: OrgStore, id: string, tags: Readonly<Record<string, string>>): Promise<SandboxRow> {
    const row = await this.find(org, id);
    const change = { tags, tagsUpdatedAt: this.parts.now() };
    await org.updateSandbox(id, change);
    return { ...row, ...change };
  }

  /** Takes a sandbox into use. @throws not_found, gone */
  async use(org: OrgStore, id: string): Promise<SandboxUse> {
    const sandbox = requireRunning(await this.find(org, id));
    return { sandbox, end: this.idle.use(id) };
  }

  /** What went wrong with an engine call: where the sandbox has died meanwhile, that. */
  async explain(org: OrgStore, row: SandboxRow, error: unknown): Promise<unknown> {
    const current = await this.refresh(org, row);
    return current.status === "running" ? error : gone(current.id);
  }

  /** What the image of a sandbox says about every command in it. */
  async imageOf(org: OrgStore, row: SandboxRow): Promise<CheckpointRow["checkpoint"]> {
    const found = await org.getCheckpoint(row.checkpointId);
    if (found === undefined) throw new OpenComputerError("internal", `the image of sandbox ${row.id} is not recorded`);
    return found.checkpoint;
  }

  /** When a sandbox will be stopped as things stand; null is never. */
  deadlineOf(row: SandboxRow): number | null {
    return row.status === "running" ? this.idle.deadlineOf(row.id) : null;
  }

  /** Takes over what runs from the last server's rows: the dead are noted, the others watched again. */
  async adopt(rows: readonly OwnedRow<SandboxRow>[]): Promise<void> {
    for (const row of rows) {
      const org = this.parts.store.forOrg(row.orgId);
      const current = await this.refresh(org, row);
      if (current.status === "running") this.idle.watch(org, current);
    }
  }

  /** Waits until what was begun is there or undone, and lets go of the timers; sandboxes run on. */
  async close(): Promise<void> {
    try {
      await abortable(this.turns.over(), AbortSignal.timeout(CLOSE_TIMEOUT_MS));
    } finally {
      this.idle.close();
    }
  }

  /** Who left before the answer does not know the id, so nobody could ever end it. */
  private async settle(org: OrgStore, row: SandboxRow, { answered }: Asker): Promise<void> {
    if (!(await answered)) await this.creation.undo(org, row.id);
  }

  /** The running sandbox of an owner whose turn it is. */
  private async findOwned(org: OrgStore, owner: string): Promise<SandboxRow | undefined> {
    const row = await org.findSandboxOf(owner);
    if (row === undefined) return undefined;
    // Nobody else creates one for this owner now: it is what a failed create could not remove.
    const current = row.status === "creating" ? await this.stopSandbox(org, row) : await this.refresh(org, row);
    if (current.status !== "running") return undefined;
    this.idle.use(row.id)();
    return current;
  }

  private async find(org: OrgStore, id: string): Promise<SandboxRow> {
    const row = await org.getSandbox(id);
    if (row === undefined || row.status === "creating") {
      throw new OpenComputerError("not_found", `sandbox not found: ${id}`);
    }
    return row;
  }

  private async refresh(org: OrgStore, row: SandboxRow): Promise<SandboxRow> {
    if (row.status !== "running" || (await this.parts.engine.sandboxStatus(row.id)) === "running") return row;
    return await this.stopSandbox(org, row);
  }

  private async stopSandbox(org: OrgStore, row: SandboxRow): Promise<SandboxRow> {
    if (row.status === "stopped") return row;
    await this.parts.engine.destroySandbox(row.id);
    const change = { status: "stopped", stoppedAt: this.parts.now(), deadline: null } as const;
    await org.updateSandbox(row.id, change);
    // Last, so that one whose end could not be recorded is tried again at its deadline.
    this.idle.forget(row.id);
    return { ...row, ...change };
  }
}

function requireRunning(row: SandboxRow): SandboxRow {
  if (row.status !== "running") throw gone(row.id);
  return row;
}

function gone(id: string): OpenComputerError {
  return new OpenComputerError("gone", `sandbox ${id} is stopped; create a new one`);
}
