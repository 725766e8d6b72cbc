import type { BuildEvent, Engine } from "../../engines/engine";
import { OpenComputerError } from "../../errors";
import type { ImageManifest } from "../../image/image-manifest";
import type { Log } from "../log";
import type { CheckpointRow, OrgStore, OwnedRow, SandboxRow, Store } from "../store/store";
import { abortable, toAborted } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { BuildService } from "./build-service";
import { IdleSandboxes } from "./idle-sandboxes";
import { type Origin, type SandboxWish, toNewRow } from "./sandbox-wish";
import type { SnapshotService } from "./snapshot-service";

/** The longest that an engine may take to start a sandbox whose image is built. */
const CREATE_TIMEOUT_MS = 120_000;
const BASE: ImageManifest = { base: "base", steps: [] };

export interface SandboxServiceParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly builds: BuildService;
  readonly snapshots: SnapshotService;
  readonly gate: ActivityGate;
  readonly now: () => number;
  readonly log: Log;
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
 *                  → failed: no row
 */
export class SandboxService {
  private readonly idle: IdleSandboxes;

  constructor(private readonly parts: SandboxServiceParts) {
    this.idle = new IdleSandboxes({ ...parts, stop: (org, row) => this.stopSandbox(org, row) });
  }

  /**
   * Creates a sandbox, building its image first where needed; yields what happens on the way.
   *
   * @throws not_found, conflict (snapshot not ready), build_failed, aborted (nothing is left then), timeout
   */
  async *create(org: OrgStore, wish: SandboxWish, signal: AbortSignal): AsyncGenerator<BuildEvent, SandboxRow> {
    const leaveGate = await this.parts.gate.enter();
    try {
      const origin = yield* this.resolve(org, wish, signal);
      yield { step: 0, type: "create", message: "starting the sandbox" };
      const row = await this.start(org, wish, origin, signal);
      if (origin.snapshot) await this.parts.snapshots.noteUse(org, origin.snapshot, origin.checkpoint.id);
      return row;
    } finally {
      leaveGate();
    }
  }

  /** The running sandboxes, newest first. */
  async list(org: OrgStore): Promise<SandboxRow[]> {
    const rows = await Promise.all((await org.listSandboxes()).map((row) => this.refresh(org, row)));
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

  /** Lets go of the timers; sandboxes run on. */
  close(): void {
    this.idle.close();
  }

  private async *resolve(org: OrgStore, wish: SandboxWish, signal: AbortSignal): AsyncGenerator<BuildEvent, Origin> {
    if (wish.snapshot === undefined) {
      return { checkpoint: yield* this.build(org, wish.image ?? BASE, wish, signal), snapshot: null };
    }
    const snapshot = await this.parts.snapshots.getReady(org, wish.snapshot);
    yield {
      step: 0,
      type: "resolve",
      message: `snapshot ${snapshot.name} is image ${snapshot.contentHash.slice(0, 12)}`,
    };
    const checkpoint = await org.getCheckpoint(snapshot.checkpointId);
    if (checkpoint && (await this.parts.engine.hasCheckpoint(checkpoint.checkpoint))) return { checkpoint, snapshot };
    // The engine has lost the layers: the snapshot still says what it is made of.
    return { checkpoint: yield* this.build(org, snapshot.manifest, wish, signal), snapshot };
  }

  private async *build(org: OrgStore, manifest: ImageManifest, wish: SandboxWish, signal: AbortSignal) {
    const ticket = this.parts.builds.request(org, { manifest, stepTimeoutMs: wish.stepTimeoutMs, name: null });
    try {
      yield* ticket.events(0, signal);
      return await abortable(ticket.done, signal);
    } finally {
      ticket.leave();
    }
  }

  private async start(org: OrgStore, wish: SandboxWish, origin: Origin, signal: AbortSignal): Promise<SandboxRow> {
    const { engine, now } = this.parts;
    const creating = toNewRow(wish, origin, now());
    const { id, memoryMB, cpuCount } = creating;
    await org.insertSandbox(creating);
    try {
      const spec = { id, memoryMB, cpuCount, checkpoint: origin.checkpoint.checkpoint };
      await withTimeLimit(signal, (limited) => engine.createSandbox(spec, limited));
      // Who left does not know the id, so nobody could ever end it.
      if (signal.aborted) throw toAborted(signal);
      const row: SandboxRow = { ...creating, status: "running", startedAt: now() };
      const deadline = this.idle.watch(org, row);
      await org.updateSandbox(id, { status: "running", startedAt: row.startedAt, deadline });
      return { ...row, deadline };
    } catch (error) {
      await this.undoCreate(org, id);
      throw error;
    }
  }

  private async undoCreate(org: OrgStore, id: string): Promise<void> {
    this.idle.forget(id);
    try {
      await this.parts.engine.destroySandbox(id);
      await org.deleteSandbox(id);
    } catch (err) {
      // The row stays `creating`: the next start of the server removes what is left.
      this.parts.log.error({ err, sandbox: id }, "a sandbox that could not be created could not be removed either");
    }
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

async function withTimeLimit(signal: AbortSignal, work: (limited: AbortSignal) => Promise<void>): Promise<void> {
  const limit = AbortSignal.timeout(CREATE_TIMEOUT_MS);
  try {
    await work(AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted) throw toAborted(signal);
    if (!limit.aborted) throw error;
    const message = `the sandbox did not start within ${CREATE_TIMEOUT_MS / 1000} s; the machine may be overloaded`;
    throw new OpenComputerError("timeout", message, { cause: error });
  }
}

function requireRunning(row: SandboxRow): SandboxRow {
  if (row.status !== "running") throw gone(row.id);
  return row;
}

function gone(id: string): OpenComputerError {
  return new OpenComputerError("gone", `sandbox ${id} is stopped; create a new one`);
}
