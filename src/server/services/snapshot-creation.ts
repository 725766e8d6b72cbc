import type { BuildEvent } from "../../engines/engine";
import { OpenComputerError, toErrorJson } from "../../errors";
import { failpoint } from "../../failpoint";
import type { SnapshotRow, SnapshotWish } from "../store/snapshot-store";
import type { OrgStore } from "../store/store";
import { abortable } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { BuildTicket } from "./build-flight";

/** A version on its way, or one that is over. Whoever has one must {@link PendingSnapshot.leave}. */
export interface PendingSnapshot {
  /** The build's events from number `from`; ends when the build does, however it ends. */
  events(from: number, signal: AbortSignal): AsyncGenerator<BuildEvent>;
  /** The record, ready and durable. Rejects with the build's error. */
  readonly result: Promise<SnapshotRow>;
  leave(): void;
}

export interface SnapshotCreationParts {
  readonly org: OrgStore;
  readonly wish: SnapshotWish;
  /** Its hold on the build, which others may share. */
  readonly ticket: BuildTicket;
  /** Keeps what is built from collection until the version names it. */
  readonly gate: ActivityGate;
  /** Whether it is written down as `building` first and goes on without anybody waiting. */
  readonly detached: boolean;
  /** How long the build may take in milliseconds; undefined is for ever. */
  readonly timeoutMs: number | undefined;
  readonly now: () => number;
  readonly onOver: () => void;
}

/**
 * One version being made for one asker.
 *
 *   (detached: version `building`) → build → version `ready` and current, in one transaction
 *                                          → failed: nothing; detached: version `failed`. What is current stays
 *   given up (the asker leaves, time is up, its name is deleted) → build cancelled unless others share it
 */
export class SnapshotCreation implements PendingSnapshot {
  readonly result: Promise<SnapshotRow>;
  /** The row, `building`, of one that is detached. */
  readonly reserved: Promise<SnapshotRow> | undefined;
  private readonly stop = new AbortController();

  constructor(private readonly parts: SnapshotCreationParts) {
    const { org, wish, detached, now } = parts;
    this.reserved = detached ? org.snapshots.reserve(wish, now()) : undefined;
    this.result = this.complete();
    // Whoever caused the failure may have left; the others await it themselves.
    this.result.catch(() => {});
  }

  get wish(): SnapshotWish {
    return this.parts.wish;
  }

  async *events(from: number, signal: AbortSignal): AsyncGenerator<BuildEvent> {
    try {
      yield* this.parts.ticket.events(from, AbortSignal.any([signal, this.stop.signal]));
    } catch (error) {
      throw this.stop.signal.aborted ? this.stop.signal.reason : error;
    }
  }

  leave(): void {
    this.giveUp(cancelled("nobody waits for it any more"));
  }

  /** Ends it where it is not over, for this reason. */
  giveUp(reason: OpenComputerError): void {
    this.stop.abort(reason);
  }

  private async complete(): Promise<SnapshotRow> {
    const { org, wish, ticket, gate, timeoutMs, now, onOver } = this.parts;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.giveUp(tooLong(timeoutMs)), timeoutMs);
    const leaveGate = await gate.enter();
    try {
      const reserved = await this.reserved;
      if (reserved) failpoint("snapshot.reserved");
      const { id: checkpointId, buildId } = await abortable(ticket.done, this.stop.signal);
      failpoint("snapshot.built");
      const built = { checkpointId, buildId, ...(reserved ? { reserved } : {}) };
      const published = await org.snapshots.publish(wish, built, now());
      failpoint("snapshot.published");
      return published;
    } catch (error) {
      await this.recordFailure(error);
      throw error;
    } finally {
      leaveGate();
      clearTimeout(timer);
      ticket.leave(this.stop.signal.aborted ? this.stop.signal.reason : undefined);
      onOver();
    }
  }

  /** Only a row that is there can say why it failed; where there is none, nothing is left. */
  private async recordFailure(error: unknown): Promise<void> {
    const reserved = await this.reserved?.catch(() => undefined);
    if (reserved === undefined) return;
    const { org, ticket } = this.parts;
    const buildId = (await ticket.buildId()) ?? null;
    await org.snapshots.fail(reserved, { error: toErrorJson(error), buildId });
  }
}

/** The reason for giving up a build that nobody needs. */
export function cancelled(why: string): OpenComputerError {
  return new OpenComputerError("build_cancelled", `the build was cancelled: ${why}`);
}

function tooLong(timeoutMs: number): OpenComputerError {
  const message = `the build was not done within ${timeoutMs / 1000} s, the buildTimeoutSeconds of this request`;
  return new OpenComputerError("timeout", `${message}; the steps that were done are kept`);
}
