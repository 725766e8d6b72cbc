import type { BuildEvent } from "../../engines/engine";
import { OpenComputerError, toErrorJson } from "../../errors";
import type { OrgStore, SnapshotRow } from "../store/store";
import type { BuildTicket } from "./build-flight";

/** A snapshot on its way. Whoever has one must {@link PendingSnapshot.leave}. */
export interface PendingSnapshot {
  /** The build's events from number `from`; ends when the build does, however it ends. */
  events(from: number, signal: AbortSignal): AsyncGenerator<BuildEvent>;
  /** The record, ready and durable. Rejects with the build's error. */
  readonly result: Promise<SnapshotRow>;
  leave(): void;
}

/**
 * One snapshot being made, and all who wait for it.
 *
 *   begun → (detached: row `building`) → build → row `ready`
 *                                              → failed: no row; detached: row `failed`
 *   the last holder leaves → build cancelled; a detached one is held until it is over, or its row is deleted
 */
export class SnapshotCreation {
  private holders = 0;
  private abandoned = false;
  private written: Promise<void> | undefined;
  readonly result: Promise<SnapshotRow>;

  constructor(
    private readonly org: OrgStore,
    private readonly row: SnapshotRow,
    private readonly ticket: BuildTicket,
    private readonly onOver: () => void,
  ) {
    this.result = this.complete();
    // Whoever caused the failure may have left; the others await it themselves.
    this.result.catch(() => {});
  }

  hold(): PendingSnapshot {
    let left = false;
    this.holders += 1;
    return {
      events: (from, signal) => this.ticket.events(from, signal),
      result: this.result,
      leave: () => {
        if (left) return;
        left = true;
        this.holders -= 1;
        if (this.holders === 0) this.abandon();
      },
    };
  }

  /** Writes the row now and lets the build go on without anybody waiting. Returns the row, `building`. */
  async detach(): Promise<SnapshotRow> {
    const held = this.hold();
    this.result.catch(() => {}).finally(held.leave);
    this.written ??= this.org.insertSnapshot(this.row);
    await this.written;
    return this.row;
  }

  /** Gives up: the build is cancelled unless others wait for the same image. */
  abandon(): void {
    this.abandoned = true;
    this.ticket.leave();
    this.onOver();
  }

  private async complete(): Promise<SnapshotRow> {
    try {
      const { id: checkpointId, buildId } = await this.ticket.done;
      if (this.abandoned) throw new OpenComputerError("build_cancelled", "nobody waits for this snapshot any more");
      return await this.write({ ...this.row, status: "ready", checkpointId, buildId });
    } catch (error) {
      await this.writeFailure(error);
      throw error;
    } finally {
      this.ticket.leave();
      this.onOver();
    }
  }

  private async write(ready: SnapshotRow): Promise<SnapshotRow> {
    if (this.written === undefined) {
      this.written = this.org.insertSnapshot(ready);
      await this.written;
      return ready;
    }
    await this.written;
    const { status, checkpointId, buildId } = ready;
    if (await this.org.updateSnapshot(this.row.id, { status, checkpointId, buildId })) return ready;
    throw new OpenComputerError("build_cancelled", `snapshot ${ready.name} was deleted while it was built`);
  }

  /** Only a row that is there can say why it failed; without one the name is free again. */
  private async writeFailure(error: unknown): Promise<void> {
    if (this.written === undefined) return;
    await this.written;
    const buildId = (await this.ticket.buildId()) ?? null;
    await this.org.updateSnapshot(this.row.id, { status: "failed", error: toErrorJson(error), buildId });
  }
}
