import type { Engine } from "../../engines/engine";
import { assertNever, OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { ImageManifest } from "../../image/image-manifest";
import type { Log } from "../log";
import type { OrgStore, SandboxRow } from "../store/store";
import { abortable, toAborted } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { BuildService } from "./build-service";
import type { FairQueue } from "./fair-queue";
import type { Progress } from "./progress";
import type { Quotas } from "./quotas";
import { toSandboxSpec } from "./sandbox-spec";
import { startSandbox } from "./sandbox-start";
import type { SandboxState } from "./sandbox-state";
import { newSandboxId, type Origin, type SandboxWish, toNewRow } from "./sandbox-wish";
import type { SnapshotService } from "./snapshot-service";
import type { WarmPools } from "./warm-pools";

export interface SandboxCreationParts {
  readonly engine: Engine;
  readonly builds: BuildService;
  readonly snapshots: SnapshotService;
  readonly gate: ActivityGate;
  readonly starts: FairQueue;
  readonly quotas: Quotas;
  readonly warm: WarmPools;
  readonly state: SandboxState;
  readonly now: () => number;
  readonly log: Log;
}

/** Makes sandboxes: from a wish to a row that says `running`, or to nothing. */
export class SandboxCreation {
  constructor(private readonly parts: SandboxCreationParts) {}

  /**
   * Creates a sandbox, building its image first where needed; yields what happens on the way.
   *
   * @throws not_found, conflict (snapshot not ready), build_failed, quota_exceeded, aborted, timeout; nothing is left then
   */
  async *create(org: OrgStore, wish: SandboxWish, signal: AbortSignal): Progress<SandboxRow> {
    const endCount = await this.parts.quotas.admitSandbox(org);
    const leaveGate = await this.parts.gate.enter();
    try {
      const origin = yield* this.resolve(org, wish, signal);
      const warm = await this.parts.warm.claim(org, origin, wish);
      if (warm === undefined) return yield* this.startInTurn(org, wish, origin, signal);
      yield { step: 0, type: "create", message: "a sandbox was waiting" };
      return await this.record(org, warm, wish, origin);
    } finally {
      leaveGate();
      endCount();
    }
  }

  /** Takes back what was created: afterwards neither the sandbox nor its row is there. Only logs what goes wrong. */
  async undo(org: OrgStore, id: string): Promise<void> {
    this.parts.state.forget(id);
    try {
      await this.parts.engine.destroySandbox(id);
      await org.deleteSandbox(id);
    } catch (err) {
      // One that has no row is removed by the next start of the server.
      this.parts.log.error({ err, sandbox: id }, "a sandbox that nobody knows of could not be removed");
    }
  }

  private async *resolve(org: OrgStore, { from }: SandboxWish, signal: AbortSignal): Progress<Origin> {
    switch (from.kind) {
      case "image":
        return { checkpoint: yield* this.build(org, from.manifest, from.stepTimeoutMs, signal), snapshot: null };
      case "snapshot":
        return yield* this.resolveSnapshot(org, from, signal);
      case "checkpoint": {
        const checkpoint = await org.getCheckpoint(from.id);
        if (checkpoint) return { checkpoint, snapshot: null };
        throw new OpenComputerError("not_found", `checkpoint not found: ${from.id}`);
      }
      default:
        return assertNever(from);
    }
  }

  private async *resolveSnapshot(
    org: OrgStore,
    { ref, stepTimeoutMs }: SandboxWish["from"] & { kind: "snapshot" },
    signal: AbortSignal,
  ): Progress<Origin> {
    const snapshot = await this.parts.snapshots.getReady(org, ref);
    const { name, contentHash, checkpointId, manifest } = snapshot;
    yield { step: 0, type: "resolve", message: `snapshot ${name} is image ${contentHash.slice(0, 12)}` };
    const checkpoint = await org.getCheckpoint(checkpointId);
    if (checkpoint && (await this.parts.engine.hasCheckpoint(checkpoint.checkpoint))) return { checkpoint, snapshot };
    // The engine has lost the layers: the snapshot still says what it is made of.
    return { checkpoint: yield* this.build(org, manifest, stepTimeoutMs, signal), snapshot };
  }

  private async *build(org: OrgStore, manifest: ImageManifest, stepTimeoutMs: number, signal: AbortSignal) {
    const ticket = this.parts.builds.request(org, { manifest, stepTimeoutMs, name: null });
    try {
      yield* ticket.events(0, signal);
      return await abortable(ticket.done, signal);
    } finally {
      ticket.leave();
    }
  }

  private async *startInTurn(
    org: OrgStore,
    wish: SandboxWish,
    origin: Origin,
    signal: AbortSignal,
  ): Progress<SandboxRow> {
    const waiter = { group: org.orgId };
    const ahead = this.parts.starts.countAhead(waiter);
    const queued = `waiting for ${ahead} ${ahead === 1 ? "start" : "starts"} before this one`;
    if (ahead > 0) yield { step: 0, type: "queue", message: queued };
    yield { step: 0, type: "create", message: "starting the sandbox" };
    // Nothing is told from here on: who reads slowly must not hold a turn.
    const endTurn = await this.parts.starts.enter(waiter, signal);
    try {
      return await this.start(org, wish, origin, signal, endTurn);
    } finally {
      endTurn();
    }
  }

  /** `onBooted`: whoever waits for a service to be ready keeps no other from starting. */
  private async start(
    org: OrgStore,
    wish: SandboxWish,
    origin: Origin,
    signal: AbortSignal,
    onBooted: () => void,
  ): Promise<SandboxRow> {
    const id = newSandboxId();
    const spec = toSandboxSpec({ ...wish, id }, origin.checkpoint.checkpoint);
    await startSandbox(this.parts.engine, spec, signal, onBooted);
    failpoint("create.started");
    if (!signal.aborted) return await this.record(org, id, wish, origin);
    await this.undo(org, id);
    throw toAborted(signal);
  }

  /** Writes down a sandbox that runs, in one transaction: one that a crash leaves before it is nobody's. */
  private async record(org: OrgStore, id: string, wish: SandboxWish, origin: Origin): Promise<SandboxRow> {
    const { state, now } = this.parts;
    try {
      const row = toNewRow(id, wish, origin, now());
      const recorded = { ...row, deadline: state.watch(org, row) };
      await org.insertSandbox(recorded, origin.snapshot ?? undefined);
      failpoint("create.recorded");
      return recorded;
    } catch (error) {
      await this.undo(org, id);
      throw error;
    }
  }
}
