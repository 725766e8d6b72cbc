import type { CheckpointKind, Engine, Hibernated, TakenCheckpoint } from "../../engines/engine";
import { assertNever, OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { Log } from "../log";
import type { CheckpointRow, OrgStore, SandboxRow } from "../store/store";
import { withinLimit } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { FairQueue } from "./fair-queue";
import { toSandboxSpec } from "./sandbox-spec";
import { readyTimeoutOf } from "./sandbox-start";
import { requireLive, SandboxState, sandboxGone } from "./sandbox-state";

/** The longest that sleeping, waking and going back may take: gigabytes of memory are written and read. */
const CHANGE_TIMEOUT_MS = 300_000;
/** The same for a checkpoint: hundreds of gigabytes of files are copied. */
const CHECKPOINT_TIMEOUT_MS = 75 * 60_000;

export interface SandboxLifeParts {
  readonly engine: Engine;
  readonly gate: ActivityGate;
  readonly starts: FairQueue;
  readonly now: () => number;
  readonly log: Log;
}

/** A sandbox in use: it does not count as idle until {@link SandboxUse.end}. */
export interface SandboxUse {
  readonly sandbox: SandboxRow;
  end(): void;
}

/** Writes down what was taken of a sandbox that stands on `origin`. */
export type KeepCheckpoint<T> = (taken: TakenCheckpoint, origin: CheckpointRow) => Promise<T>;

/**
 * What becomes of a sandbox that runs.
 *
 *   running ⇄ hibernated     by wish, idle for its timeout / by wish, next use
 *   running, hibernated      → checkpoint → as it was
 *                            → restore    → running, on another checkpoint; where it fails: stopped
 *                            → stop, or found dead → stopped
 *
 * A change waits for those of the same sandbox that were asked for before it, and so does a use.
 */
export class SandboxLife {
  readonly state: SandboxState;

  constructor(private readonly parts: SandboxLifeParts) {
    this.state = new SandboxState({ ...parts, hibernateIdle: (org, id) => this.hibernateIdle(org, id) });
  }

  /** Takes a sandbox into use; wakes it first where it sleeps. @throws not_found, gone, aborted */
  async use(org: OrgStore, id: string, signal: AbortSignal): Promise<SandboxUse> {
    // Before anything is waited for, so that it does not fall asleep meanwhile.
    const end = this.state.use(id);
    try {
      const row = requireLive(await this.state.settled(org, id, signal));
      return { sandbox: row.status === "running" ? row : await this.wake(org, id, { signal }), end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Whether a use has to wait until it is awake. @throws not_found, gone */
  async isAsleep(org: OrgStore, id: string): Promise<boolean> {
    return requireLive(await this.state.find(org, id)).status === "hibernated";
  }

  /** What went wrong with an engine call: where the sandbox is not what it was, that. */
  async explain(org: OrgStore, { id }: SandboxRow, error: unknown): Promise<unknown> {
    const row = await this.state.refresh(org, await this.state.settled(org, id));
    switch (row.status) {
      case "running":
        return error;
      case "hibernated":
        return fellAsleep(id);
      case "stopped":
        return sandboxGone(row);
      default:
        return assertNever(row.status);
    }
  }

  /** What it stands on. */
  async originOf(org: OrgStore, { id, checkpointId }: SandboxRow): Promise<CheckpointRow> {
    const found = await org.getCheckpoint(checkpointId);
    if (found === undefined) throw new OpenComputerError("internal", `the image of sandbox ${id} is not recorded`);
    return found;
  }

  /** Sends a sandbox to sleep; one that sleeps is fine. @throws not_found, gone */
  async hibernate(org: OrgStore, id: string): Promise<Hibernated> {
    return await this.state.change(org, id, async (before, signal) => {
      const row = requireLive(await this.state.reconcile(org, before));
      return await this.inTurn(org, signal, () => this.putToSleep(org, row, signal));
    });
  }

  /** Wakes a sandbox; one that runs is fine. `timeoutSeconds` is its new idle timeout. @throws not_found, gone, aborted */
  async wake(org: OrgStore, id: string, { timeoutSeconds, signal }: WakeOptions = {}): Promise<SandboxRow> {
    const more = timeoutSeconds === undefined ? {} : { timeoutSeconds };
    const work = async (before: SandboxRow, changing: AbortSignal) => {
      const row = requireLive(await this.state.reconcile(org, before));
      if (row.status === "running" && timeoutSeconds === undefined) return row;
      if (row.status === "hibernated") await this.wakeInTurn(org, row, changing);
      failpoint("wake.woken");
      return await this.state.noteRunning(org, row, more);
    };
    return await this.state.change(org, id, work, signal);
  }

  /** Begins to wake a sandbox, unless somebody is at it. */
  wakeInBackground(org: OrgStore, id: string): void {
    if (this.state.isChanging(id)) return;
    this.wake(org, id).catch((err: unknown) => this.parts.log.error({ err, sandbox: id }, "a sandbox did not wake"));
  }

  /**
   * Takes a checkpoint of what a sandbox is now; `keep` writes it down before anything else can happen to either.
   *
   * @throws not_found, gone, unsupported
   */
  async checkpoint<T>(org: OrgStore, id: string, kind: CheckpointKind, keep: KeepCheckpoint<T>): Promise<T> {
    return await this.state.change(org, id, async (before, signal) => {
      const row = requireLive(await this.state.reconcile(org, before));
      const leaveGate = await this.parts.gate.enter();
      try {
        const limit = { ...limitOf(id, CHECKPOINT_TIMEOUT_MS), signals: [signal] };
        const taken = await withinLimit(limit, (limited) => this.parts.engine.checkpoint(id, kind, limited));
        return await keep(taken, await this.originOf(org, row));
      } finally {
        leaveGate();
      }
    });
  }

  /**
   * Begins to put a sandbox back to a checkpoint: from now on that will be done, by the next server if need be, and uses
   * wait for it. What can be known of its failing is known before: then the sandbox is as it was.
   *
   * @throws not_found, gone; damaged, unsupported, insufficient_storage
   */
  async beginRestore(org: OrgStore, id: string, checkpointId: string): Promise<void> {
    await this.state.change(org, id, async (row) => {
      const { checkpoint } = await this.originOf(org, { ...requireLive(row), checkpointId });
      await this.parts.engine.assertStartable(checkpoint);
      await org.updateSandbox(id, { restoringTo: checkpointId });
      failpoint("restore.promised");
    });
    this.restoreInBackground(org, id);
  }

  /** Ends a sandbox, and what is being done with it; one that has stopped is fine. @throws not_found */
  async stop(org: OrgStore, id: string): Promise<void> {
    await this.state.stop(org, id);
  }

  /** Sets the idle timeout anew, counted from now; 0 is never. @throws not_found, gone */
  async setTimeout(org: OrgStore, id: string, timeoutSeconds: number): Promise<void> {
    const row = requireLive(await this.state.find(org, id));
    const isAwake = row.status === "running";
    const deadline = isAwake ? this.state.watch(org, { ...row, timeoutSeconds, deadline: null }) : null;
    await org.updateSandbox(id, { timeoutSeconds, deadline });
  }

  /** Takes over a sandbox from the last server: a death is noted, a restore goes on, what runs is watched again. */
  async adopt(org: OrgStore, row: SandboxRow): Promise<void> {
    if (row.restoringTo !== null) return this.restoreInBackground(org, row.id);
    const current = await this.state.refresh(org, row);
    if (current.status === "running") this.state.watch(org, current);
  }

  private async hibernateIdle(org: OrgStore, id: string): Promise<void> {
    await this.state.change(org, id, async (before, signal) => {
      const row = await this.state.reconcile(org, before);
      if (row.status !== "running") return;
      await this.inTurn(org, signal, async () => {
        if (this.isIdle(org, row)) await this.putToSleep(org, row, signal);
      });
    });
  }

  /** Not where somebody came between its deadline and its turn; it is watched anew then. */
  private isIdle(org: OrgStore, row: SandboxRow): boolean {
    if (!this.state.isUsed(row.id)) return true;
    this.state.watch(org, { ...row, deadline: null });
    return false;
  }

  private async putToSleep(org: OrgStore, row: SandboxRow, signal: AbortSignal): Promise<Hibernated> {
    const limit = { ...limitOf(row.id, CHANGE_TIMEOUT_MS), signals: [signal] };
    const hibernated = await withinLimit(limit, (limited) => this.parts.engine.hibernate(row.id, limited));
    failpoint("hibernate.slept");
    if (row.status === "running") await this.state.noteAsleep(org, row);
    return hibernated;
  }

  private async wakeInTurn(org: OrgStore, row: SandboxRow, signal: AbortSignal): Promise<void> {
    const spec = await this.specOf(org, row);
    const limit = { ...limitOf(row.id, CHANGE_TIMEOUT_MS + readyTimeoutOf(spec)), signals: [signal] };
    await this.inTurn(org, signal, (endTurn) =>
      withinLimit(limit, (limited) => this.parts.engine.wake(spec, limited, endTurn)),
    );
  }

  /** What loads the machine as a start does, or names memory before a row does: the wait for it counts against no limit. */
  private async inTurn<T>(org: OrgStore, signal: AbortSignal, work: (endTurn: () => void) => Promise<T>): Promise<T> {
    const leaveGate = await this.parts.gate.enter();
    try {
      const endTurn = await this.parts.starts.enter({ group: org.orgId }, signal);
      try {
        return await work(endTurn);
      } finally {
        endTurn();
      }
    } finally {
      leaveGate();
    }
  }

  private restoreInBackground(org: OrgStore, id: string): void {
    this.state
      .change(org, id, (row, signal) => this.restore(org, row, signal))
      .catch((err: unknown) => {
        this.parts.log.error({ err, sandbox: id }, "a sandbox could not be put back to a checkpoint");
      });
  }

  private async restore(org: OrgStore, row: SandboxRow, signal: AbortSignal): Promise<void> {
    // Stopped meanwhile, or another restore that was asked for since has been done for both.
    if (row.status === "stopped" || row.restoringTo === null) return;
    const spec = await this.specOf(org, { ...row, checkpointId: row.restoringTo });
    const limit = { ...limitOf(row.id, CHANGE_TIMEOUT_MS + readyTimeoutOf(spec)), signals: [signal] };
    try {
      await this.inTurn(org, signal, (endTurn) =>
        withinLimit(limit, (limited) => this.parts.engine.restore(spec, limited, endTurn)),
      );
    } catch (error) {
      // Where the server is stopping, the next one does it.
      if (!this.state.isClosing) await this.state.end(org, row);
      throw error;
    }
    await this.state.noteRunning(org, row, { checkpointId: row.restoringTo, restoringTo: null });
  }

  private async specOf(org: OrgStore, row: SandboxRow) {
    return toSandboxSpec(row, (await this.originOf(org, row)).checkpoint);
  }
}

interface WakeOptions {
  readonly timeoutSeconds?: number | undefined;
  /** Fires when the asker leaves. */
  readonly signal?: AbortSignal;
}

function limitOf(id: string, limitMs: number): { readonly limitMs: number; readonly tooLong: string } {
  return { limitMs, tooLong: `sandbox ${id} was not done within ${limitMs / 1000} s; the machine may be overloaded` };
}

function fellAsleep(id: string): OpenComputerError {
  const message = `sandbox ${id} was hibernated in the middle of this; asking again wakes it`;
  return new OpenComputerError("conflict", message, { retryable: true });
}
