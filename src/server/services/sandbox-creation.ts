import type { BuildEvent, Engine } from "../../engines/engine";
import { OpenComputerError } from "../../errors";
import type { ImageManifest } from "../../image/image-manifest";
import type { Log } from "../log";
import type { OrgStore, SandboxRow } from "../store/store";
import { abortable, toAborted } from "./abortable";
import type { ActivityGate } from "./activity-gate";
import type { BuildService } from "./build-service";
import type { FairQueue } from "./fair-queue";
import type { IdleSandboxes } from "./idle-sandboxes";
import { type Origin, type SandboxWish, toNewRow } from "./sandbox-wish";
import type { SnapshotService } from "./snapshot-service";

/** The longest that an engine may take to start a sandbox whose image is built. */
const CREATE_TIMEOUT_MS = 120_000;
const BASE: ImageManifest = { base: "base", steps: [] };

export interface SandboxCreationParts {
  readonly engine: Engine;
  readonly builds: BuildService;
  readonly snapshots: SnapshotService;
  readonly gate: ActivityGate;
  readonly starts: FairQueue;
  readonly idle: IdleSandboxes;
  readonly now: () => number;
  readonly log: Log;
}

/** Makes sandboxes: from a wish to a row that says `running`, or to nothing. */
export class SandboxCreation {
  constructor(private readonly parts: SandboxCreationParts) {}

  /**
   * Creates a sandbox, building its image first where needed; yields what happens on the way.
   *
   * @throws not_found, conflict (snapshot not ready), build_failed, aborted, timeout; nothing is left then
   */
  async *create(org: OrgStore, wish: SandboxWish, signal: AbortSignal): AsyncGenerator<BuildEvent, SandboxRow> {
    const leaveGate = await this.parts.gate.enter();
    try {
      const origin = yield* this.resolve(org, wish, signal);
      if (origin.snapshot) await this.parts.snapshots.noteUse(org, origin.snapshot, origin.checkpoint.id);
      return yield* this.startInTurn(org, wish, origin, signal);
    } finally {
      leaveGate();
    }
  }

  /** Takes back what was created: afterwards neither the sandbox nor its row is there. Only logs what goes wrong. */
  async undo(org: OrgStore, id: string): Promise<void> {
    this.parts.idle.forget(id);
    try {
      await this.parts.engine.destroySandbox(id);
      await org.deleteSandbox(id);
    } catch (err) {
      // Its row stays: one that is `creating` is removed by the next start of the server, or for its owner's next one.
      this.parts.log.error({ err, sandbox: id }, "a sandbox that nobody knows of could not be removed");
    }
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

  private async *startInTurn(
    org: OrgStore,
    wish: SandboxWish,
    origin: Origin,
    signal: AbortSignal,
  ): AsyncGenerator<BuildEvent, SandboxRow> {
    const place = this.parts.starts.join({ group: org.orgId });
    try {
      const { ahead } = place;
      const queued = `waiting for ${ahead} ${ahead === 1 ? "start" : "starts"} before this one`;
      if (ahead > 0) yield { step: 0, type: "queue", message: queued };
      yield { step: 0, type: "create", message: "starting the sandbox" };
      // Nothing is told from here on: who reads slowly must not hold a turn.
      await place.turn(signal);
      return await this.start(org, wish, origin, signal);
    } finally {
      place.leave();
    }
  }

  private async start(org: OrgStore, wish: SandboxWish, origin: Origin, signal: AbortSignal): Promise<SandboxRow> {
    const { engine, idle, now } = this.parts;
    const creating = toNewRow(wish, origin, now());
    const { id, memoryMB, cpuCount, network } = creating;
    await org.insertSandbox(creating);
    try {
      const spec = { id, memoryMB, cpuCount, network, checkpoint: origin.checkpoint.checkpoint };
      await withTimeLimit(signal, (limited) => engine.createSandbox(spec, limited));
      if (signal.aborted) throw toAborted(signal);
      const row: SandboxRow = { ...creating, status: "running", startedAt: now() };
      const deadline = idle.watch(org, row);
      await org.updateSandbox(id, { status: "running", startedAt: row.startedAt, deadline });
      return { ...row, deadline };
    } catch (error) {
      await this.undo(org, id);
      throw error;
    }
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
