import { setMaxListeners } from "node:events";
import type { Engine } from "../../engines/engine";
import { assertNever, OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { Log } from "../log";
import type { OrgStore, SandboxChange, SandboxRow } from "../store/store";
import { abortable, toAborted, whenAborted } from "./abortable";
import { IdleSandboxes } from "./idle-sandboxes";
import { Turns } from "./turns";

/** The longest that stopping waits for changes to be over. */
const CLOSE_TIMEOUT_MS = 10_000;

export interface SandboxStateParts {
  readonly engine: Engine;
  readonly now: () => number;
  readonly log: Log;
  /** Sends a sandbox to sleep that was idle for its timeout. */
  readonly hibernateIdle: (org: OrgStore, id: string) => Promise<void>;
}

/** Work on a sandbox in its turn; the signal fires when the server stops or the sandbox is to end. */
export type Change<T> = (row: SandboxRow, signal: AbortSignal) => Promise<T>;

/**
 * What is known of each sandbox: its row, its turns, its idle clock.
 *
 * One change at a time for each sandbox, in the order of asking. The engine says what is true, the row says what was
 * wanted: where they differ, as after a crash, the row follows.
 */
export class SandboxState {
  private readonly idle: IdleSandboxes;
  private readonly turns = new Turns();
  private readonly closing = new AbortController();
  /** What is under way, by sandbox. */
  private readonly changes = new Map<string, AbortController>();
  /** Those that somebody wants ended. */
  private readonly ending = new Set<string>();

  constructor(private readonly parts: SandboxStateParts) {
    // Every change listens to it.
    setMaxListeners(0, this.closing.signal);
    this.idle = new IdleSandboxes({ ...parts, hibernate: parts.hibernateIdle });
  }

  /** @throws not_found */
  async find(org: OrgStore, id: string): Promise<SandboxRow> {
    const row = await org.getSandbox(id);
    if (row === undefined) throw new OpenComputerError("not_found", `sandbox not found: ${id}`);
    return row;
  }

  /** The row as it is now; one that is being changed is answered with as it was before. */
  async refresh(org: OrgStore, row: SandboxRow): Promise<SandboxRow> {
    if (row.status === "stopped" || this.turns.isTaken(row.id)) return row;
    if ((await this.parts.engine.sandboxStatus(row.id)) === row.status) return row;
    return await this.change(org, row.id, (current) => this.reconcile(org, current));
  }

  /** Whether a change is under way or asked for. */
  isChanging(id: string): boolean {
    return this.turns.isTaken(id);
  }

  /** The row when the changes that were asked for by now are over. @throws not_found, aborted */
  async settled(org: OrgStore, id: string, signal?: AbortSignal): Promise<SandboxRow> {
    if (this.turns.isTaken(id)) await abortable(this.turns.over(id), signal ?? this.closing.signal);
    return await this.find(org, id);
  }

  /**
   * Does something with a sandbox when its turn has come, which is asked for at once. Who leaves (`asker`) gives up the
   * wait, not the work.
   *
   * @throws not_found, aborted, gone where it was ended meanwhile
   */
  async change<T>(org: OrgStore, id: string, work: Change<T>, asker?: AbortSignal): Promise<T> {
    const endTurn = await this.turns.enter(id, asker);
    const changing = new AbortController();
    this.changes.set(id, changing);
    const close = () => changing.abort(this.closing.signal.reason);
    whenAborted(this.closing.signal, close);
    if (this.ending.has(id)) changing.abort(stoppedMeanwhile(id));
    try {
      return await work(await this.find(org, id), changing.signal);
    } catch (error) {
      throw changing.signal.aborted ? toAborted(changing.signal) : error;
    } finally {
      this.closing.signal.removeEventListener("abort", close);
      this.changes.delete(id);
      endTurn();
    }
  }

  /** Stops what is being done with a sandbox and what was asked for, and ends it; one that has stopped is fine. @throws not_found */
  async stop(org: OrgStore, id: string): Promise<void> {
    // Another organisation's is not there, and what is done with it goes on.
    await this.find(org, id);
    this.ending.add(id);
    this.changes.get(id)?.abort(stoppedMeanwhile(id));
    try {
      await this.change(org, id, (row) => this.end(org, row));
    } finally {
      this.ending.delete(id);
    }
  }

  /** What the engine says of it, noted. Only in its turn: in the middle of a change it may look like anything. */
  async reconcile(org: OrgStore, row: SandboxRow): Promise<SandboxRow> {
    if (row.status === "stopped") return row;
    const status = await this.parts.engine.sandboxStatus(row.id);
    if (status === row.status) return row;
    switch (status) {
      case "running":
        return await this.noteRunning(org, row);
      case "hibernated":
        return await this.noteAsleep(org, row);
      case "stopped":
        return await this.end(org, row);
      default:
        return assertNever(status);
    }
  }

  /** Notes that it runs, with what else has changed, and watches it anew. */
  async noteRunning(org: OrgStore, row: SandboxRow, more: SandboxChange = {}): Promise<SandboxRow> {
    const deadline = this.idle.watch(org, { ...row, ...more, deadline: null });
    return await this.note(org, row, { ...more, status: "running", deadline });
  }

  async noteAsleep(org: OrgStore, row: SandboxRow): Promise<SandboxRow> {
    const noted = await this.note(org, row, { status: "hibernated", deadline: null });
    this.idle.forget(row.id);
    return noted;
  }

  /** Ends a sandbox in its turn; one that has stopped is fine. */
  async end(org: OrgStore, row: SandboxRow): Promise<SandboxRow> {
    if (row.status === "stopped") return row;
    // Nobody can tell afterwards.
    const stopReason = await this.parts.engine.stopReason(row.id);
    await this.parts.engine.destroySandbox(row.id);
    failpoint("delete.destroyed");
    const change = { stoppedAt: this.parts.now(), stopReason, deadline: null, restoringTo: null };
    const noted = await this.note(org, row, { ...change, status: "stopped" });
    failpoint("delete.noted");
    // Last, so that one whose end could not be recorded is tried again at its deadline.
    this.idle.forget(row.id);
    return noted;
  }

  /** A use begins, so that it does not fall asleep; call the answer when it is over. */
  use(id: string): () => void {
    return this.idle.use(id);
  }

  isUsed(id: string): boolean {
    return this.idle.isUsed(id);
  }

  /** Watches a running sandbox from its deadline on, or anew where it has none. Returns the deadline; null is never. */
  watch(org: OrgStore, row: SandboxRow): number | null {
    return this.idle.watch(org, row);
  }

  forget(id: string): void {
    this.idle.forget(id);
  }

  /** When a sandbox will fall asleep as things stand; null is never. */
  deadlineOf(row: SandboxRow): number | null {
    return row.status === "running" ? this.idle.deadlineOf(row.id) : null;
  }

  /** Whether the server stops: what is not done yet is for the next one. */
  get isClosing(): boolean {
    return this.closing.signal.aborted;
  }

  /** Waits until the changes that were begun are over, and lets go of the timers; sandboxes run on. */
  async close(): Promise<void> {
    try {
      await abortable(this.turns.over(), AbortSignal.timeout(CLOSE_TIMEOUT_MS));
    } finally {
      this.closing.abort(new OpenComputerError("unavailable", "the server stopped before this was done"));
      this.idle.close();
    }
  }

  private async note(org: OrgStore, row: SandboxRow, change: SandboxChange): Promise<SandboxRow> {
    await org.updateSandbox(row.id, change);
    return { ...row, ...change };
  }
}

function stoppedMeanwhile(id: string): OpenComputerError {
  return new OpenComputerError("gone", `sandbox ${id} was stopped meanwhile; create a new one`);
}

/** @throws gone */
export function requireLive(row: SandboxRow): SandboxRow {
  if (row.status === "stopped") throw sandboxGone(row);
  return row;
}

/** The error for a sandbox that was and is no more. */
export function sandboxGone({ id, stopReason }: Pick<SandboxRow, "id" | "stopReason">): OpenComputerError {
  const why = stopReason === null ? "" : `: it ${stopReason}`;
  return new OpenComputerError("gone", `sandbox ${id} is stopped${why}; create a new one`);
}
