import type { Log } from "../log";
import type { OrgStore, SandboxRow } from "../store/store";
import { IdleClock } from "./idle-clock";

/** A sandbox that is watched. */
interface Owned {
  readonly org: OrgStore;
  readonly timeoutMs: number;
  /** The deadline that its row says. */
  recorded: number;
}

/** When a sandbox could not be hibernated at its deadline, it is tried again after this. */
const RETRY_MS = 60_000;
/** A recorded deadline may be this much behind: not every command of a busy sandbox needs a synced write. */
const MAX_DRIFT_MS = 5_000;

export interface IdleSandboxesParts {
  readonly now: () => number;
  readonly log: Log;
  readonly hibernate: (org: OrgStore, id: string) => Promise<unknown>;
}

/** Hibernates sandboxes that were idle for their timeout, and keeps their deadlines on record for the next server. */
export class IdleSandboxes {
  private readonly owners = new Map<string, Owned>();
  private readonly clock: IdleClock;

  constructor(private readonly parts: IdleSandboxesParts) {
    this.clock = new IdleClock({ now: parts.now, onExpired: (id) => void this.expire(id) });
  }

  /** Watches a running sandbox from its recorded deadline on, or anew where it has none. Returns the deadline; null is never. */
  watch(org: OrgStore, row: SandboxRow): number | null {
    if (row.timeoutSeconds === 0) {
      this.forget(row.id);
      return null;
    }
    const timeoutMs = row.timeoutSeconds * 1000;
    // The clock may have been set back meanwhile: nobody has longer than his timeout.
    const recorded = Math.min(row.deadline ?? Number.POSITIVE_INFINITY, this.parts.now() + timeoutMs);
    const deadline = this.clock.watch(row.id, timeoutMs, recorded);
    this.owners.set(row.id, { org, timeoutMs, recorded: deadline });
    return deadline;
  }

  forget(id: string): void {
    this.clock.forget(id);
    this.owners.delete(id);
  }

  /** A use begins; call the answer when it is over. */
  use(id: string): () => void {
    const end = this.clock.use(id);
    return () => {
      const deadline = end();
      if (deadline !== undefined) void this.record(id, deadline);
    };
  }

  isUsed(id: string): boolean {
    return this.clock.isUsed(id);
  }

  deadlineOf(id: string): number | null {
    return this.clock.deadlineOf(id);
  }

  close(): void {
    this.clock.stop();
    this.owners.clear();
  }

  private async record(id: string, deadline: number): Promise<void> {
    const owner = this.owners.get(id);
    if (owner === undefined || deadline - owner.recorded < MAX_DRIFT_MS) return;
    owner.recorded = deadline;
    try {
      await owner.org.updateSandbox(id, { deadline });
    } catch (err) {
      this.parts.log.error({ err, sandbox: id }, "a deadline could not be recorded");
    }
  }

  private async expire(id: string): Promise<void> {
    const owner = this.owners.get(id);
    if (owner === undefined) return;
    try {
      await this.parts.hibernate(owner.org, id);
      this.parts.log.info({ sandbox: id }, "hibernated: idle for its timeout");
    } catch (err) {
      this.parts.log.error({ err, sandbox: id }, "an idle sandbox could not be hibernated; trying again");
      // Meanwhile it may have been given another timeout, or to the next server.
      if (this.owners.get(id) === owner) this.clock.watch(id, owner.timeoutMs, this.parts.now() + RETRY_MS);
    }
  }
}
