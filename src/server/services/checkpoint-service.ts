import { randomUUID } from "node:crypto";
import type { CreateCheckpointRequest, ForkManyRequest, ForkRequest } from "../../api/contract";
import type { CheckpointKind, CheckpointRetention } from "../../api/records";
import type { Engine, TakenCheckpoint } from "../../engines/engine";
import { type ErrorJson, invalidInput, isOpenComputerError, OpenComputerError, toErrorJson } from "../../errors";
import { failpoint } from "../../failpoint";
import type { Log } from "../log";
import type { CheckpointRoom, CheckpointSource, SandboxCheckpointRow } from "../store/checkpoint-store";
import type { CheckpointRow, OrgStore, SandboxRow } from "../store/store";
import { abortable } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import { drain } from "./progress";
import type { Quotas } from "./quotas";
import type { Asker, SandboxService } from "./sandbox-service";
import { requireLive } from "./sandbox-state";
import type { SandboxWish } from "./sandbox-wish";

/** How many of a kind a sandbox may have, as on the wire. */
const MOST: Readonly<Record<CheckpointKind, number>> = { full: 10, disk_only: 100 };
/** How long a start from a checkpoint waits for one that is still being taken. */
const PROCESSING_WAIT_MS = 30_000;
/** The longest that stopping waits for them. */
const CLOSE_TIMEOUT_MS = 10_000;

export interface CheckpointServiceParts {
  readonly engine: Engine;
  readonly sandboxes: SandboxService;
  readonly gate: ActivityGate;
  readonly quotas: Quotas;
  readonly now: () => number;
  readonly log: Log;
}

/** One sandbox of a fork, or why there is none. */
export type ForkOutcome =
  | { readonly kind: "started"; readonly row: SandboxRow }
  | { readonly kind: "failed"; readonly error: ErrorJson };

/** What sandboxes were at a moment: kept, gone back to, started from. */
export class CheckpointService {
  /** Those that are being taken, by id. */
  private readonly processing = new Map<string, Promise<void>>();

  constructor(private readonly parts: CheckpointServiceParts) {}

  /**
   * Begins a checkpoint; the row that is there at once says `processing`, later `ready` or `failed`.
   *
   * @throws not_found, gone; conflict for a name that the sandbox has; invalid_input at the limit; unsupported for the kind;
   *   quota_exceeded
   */
  async begin(org: OrgStore, sandboxId: string, request: CreateCheckpointRequest): Promise<SandboxCheckpointRow> {
    const sandbox = requireLive(await this.parts.sandboxes.life.state.find(org, sandboxId));
    const kind = request.kind ?? "disk_only";
    this.assertKind(kind);
    const room = toRoom(kind, request.retentionPolicy);
    const row: SandboxCheckpointRow = {
      ...{ id: randomUUID(), sandboxId, name: request.name, kind, status: "processing", sizeBytes: 0 },
      ...{ error: null, source: toSource(sandbox), owner: request.owner ?? null },
      ...{ createdAt: this.parts.now(), failedAt: null },
    };
    await this.parts.quotas.assertRoom(org, "checkpoints");
    await org.checkpoints.reserve(row, room);
    failpoint("checkpoint.reserved");
    const work = this.take(org, row, room).finally(() => this.processing.delete(row.id));
    this.processing.set(row.id, work);
    return row;
  }

  /** Those of a sandbox, newest first, also when it is gone. @throws not_found */
  async list(org: OrgStore, sandboxId: string): Promise<SandboxCheckpointRow[]> {
    const rows = await org.checkpoints.list(sandboxId);
    if (rows.length === 0) await this.parts.sandboxes.life.state.find(org, sandboxId);
    return rows;
  }

  /** Those of all sandboxes, newest first. */
  async listAll(org: OrgStore): Promise<SandboxCheckpointRow[]> {
    return await org.checkpoints.list();
  }

  /** @throws not_found */
  async get(org: OrgStore, id: string): Promise<SandboxCheckpointRow> {
    const row = await org.checkpoints.get(id);
    if (row === undefined) throw new OpenComputerError("not_found", `checkpoint not found: ${id}`);
    return row;
  }

  /** Begins to put a sandbox back. @throws not_found, gone; invalid_input where it is another's or not ready */
  async beginRestore(org: OrgStore, sandboxId: string, id: string): Promise<void> {
    requireReady(await this.getOwn(org, sandboxId, id));
    await this.parts.sandboxes.life.beginRestore(org, sandboxId, id);
  }

  /** What sandboxes stand on stays for them. @throws not_found; invalid_input where it is another sandbox's */
  async delete(org: OrgStore, sandboxId: string, id: string): Promise<void> {
    await this.getOwn(org, sandboxId, id);
    await org.checkpoints.delete(id);
  }

  /**
   * A sandbox from a checkpoint as somebody wants it. One that is still being taken is waited for.
   *
   * @throws not_found, aborted; invalid_input where it failed or takes too long
   */
  async toWish(org: OrgStore, id: string, request: ForkRequest, signal: AbortSignal): Promise<SandboxWish> {
    await this.get(org, id);
    const limit = AbortSignal.timeout(PROCESSING_WAIT_MS);
    try {
      await abortable(this.processing.get(id) ?? Promise.resolve(), AbortSignal.any([signal, limit]));
    } catch (error) {
      if (!limit.aborted) throw error;
    }
    const { source } = requireReady(await this.get(org, id));
    return toWish(id, source, request);
  }

  /**
   * Starts several sandboxes from what one is now.
   *
   * @throws not_found, gone, unsupported; what a single one fails with is its own result
   */
  async fork(org: OrgStore, sandboxId: string, request: ForkManyRequest, asker: Asker): Promise<ForkOutcome[]> {
    const { sandboxes, gate } = this.parts;
    const kind = request.kind ?? (this.kinds().includes("full") ? "full" : "disk_only");
    this.assertKind(kind);
    const source = toSource(await sandboxes.life.state.find(org, sandboxId));
    // Nobody names what is taken: until the forks have rows, only the gate keeps it from collection.
    const leaveGate = await gate.enter();
    try {
      const id = randomUUID();
      await sandboxes.life.checkpoint(org, sandboxId, kind, async (taken, origin) => {
        await org.insertCheckpoint(this.toKept(id, taken, origin));
        failpoint("fork.kept");
      });
      const wish = toWish(id, source, request);
      return await Promise.all(Array.from({ length: request.count }, () => this.forkOne(org, wish, asker)));
    } finally {
      leaveGate();
    }
  }

  /** Waits until it is noted what became of those that were begun. */
  async close(): Promise<void> {
    await abortable(Promise.all(this.processing.values()), AbortSignal.timeout(CLOSE_TIMEOUT_MS));
  }

  private async take(org: OrgStore, row: SandboxCheckpointRow, room: CheckpointRoom): Promise<void> {
    const { sandboxes, log, now } = this.parts;
    const { id, sandboxId, kind } = row;
    try {
      await sandboxes.life.checkpoint(org, sandboxId, kind, async (taken, origin) => {
        failpoint("checkpoint.taken");
        const kept = { checkpoint: this.toKept(id, taken, origin), sizeBytes: taken.sizeBytes };
        // What was deleted meanwhile is nobody's: its layers go with the next collection.
        await org.checkpoints.complete(id, kept, room);
        failpoint("checkpoint.completed");
      });
    } catch (err) {
      if (!isOpenComputerError(err)) log.error({ err, sandbox: sandboxId, checkpoint: id }, "a checkpoint broke");
      await org.checkpoints.fail(id, toErrorJson(err), now()).catch((failure: unknown) => {
        // The next start of the server notes it.
        log.error({ err: failure, checkpoint: id }, "a checkpoint's failure could not be recorded");
      });
    }
  }

  private async forkOne(org: OrgStore, wish: SandboxWish, asker: Asker): Promise<ForkOutcome> {
    try {
      return { kind: "started", row: (await drain(this.parts.sandboxes.create(org, wish, asker))).row };
    } catch (err) {
      if (!isOpenComputerError(err)) this.parts.log.error({ err }, "a fork broke");
      return { kind: "failed", error: toErrorJson(err) };
    }
  }

  private toKept(id: string, { checkpoint }: TakenCheckpoint, origin: CheckpointRow): CheckpointRow {
    const { contentHash, baseDigest, buildId } = origin;
    return { id, contentHash, baseDigest, buildId, checkpoint, createdAt: this.parts.now() };
  }

  private async getOwn(org: OrgStore, sandboxId: string, id: string): Promise<SandboxCheckpointRow> {
    const row = await this.get(org, id);
    if (row.sandboxId === sandboxId) return row;
    const message = `is a checkpoint of sandbox ${row.sandboxId}, not of ${sandboxId}`;
    throw invalidInput("the request", [{ path: id, message }]);
  }

  private kinds(): readonly CheckpointKind[] {
    return this.parts.engine.describe().checkpointKinds;
  }

  private assertKind(kind: CheckpointKind): void {
    if (this.kinds().includes(kind)) return;
    const { engine, runtime } = this.parts.engine.describe();
    const message = `this server (${engine}, ${runtime}) takes no ${kind} checkpoints; it has: ${this.kinds().join(", ")}`;
    throw new OpenComputerError("unsupported", message, { details: { kinds: this.kinds() } });
  }
}

function requireReady(row: SandboxCheckpointRow): SandboxCheckpointRow {
  if (row.status === "ready") return row;
  const reason = row.error === null ? "" : `: ${row.error.error}`;
  const message = `checkpoint ${row.name} is not ready (status: ${row.status})${reason}`;
  throw invalidInput("the request", [{ path: row.id, message }]);
}

/** @throws invalid_input for a count above the limit of the kind */
function toRoom(
  kind: CheckpointKind,
  { mode = "none", maxCount = 0 }: Partial<CheckpointRetention> = {},
): CheckpointRoom {
  const most = MOST[kind];
  if (maxCount > most) {
    const message = `must be at most ${most} for ${kind}; it is ${maxCount}`;
    throw invalidInput("the request", [{ path: "retentionPolicy.maxCount", message }]);
  }
  // On the wire 0 is the limit.
  return mode === "none" ? { max: most, deleteOldest: false } : { max: maxCount || most, deleteOldest: true };
}

function toSource({ envs, metadata, memoryMB, cpuCount, diskMB, network }: SandboxRow): CheckpointSource {
  return { envs, metadata, memoryMB, cpuCount, diskMB, network };
}

function toWish(id: string, source: CheckpointSource, request: ForkRequest): SandboxWish {
  return {
    from: { kind: "checkpoint", id },
    ...{ envs: { ...source.envs, ...request.envs }, metadata: { ...source.metadata, ...request.metadata } },
    ...{ memoryMB: request.memoryMB ?? source.memoryMB, cpuCount: source.cpuCount, network: source.network },
    diskMB: source.diskMB ?? null,
    ...{ timeoutSeconds: request.timeout ?? 0, tags: request.tags ?? {}, owner: request.owner ?? null },
  };
}
