import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Engine } from "../../engines/engine";
import { isOpenComputerError, OpenComputerError, toErrorJson } from "../../errors";
import { failpoint } from "../../failpoint";
import { makeFolders } from "../../folders";
import { contentHash } from "../../image/hash";
import type { ImageManifest } from "../../image/image-manifest";
import type { Log } from "../log";
import type { BuildOutcome, CheckpointRow, OrgStore } from "../store/store";
import type { ActivityGate } from "./activity-gate";
import type { BlobStore } from "./blob-store";
import { type BuildTicket, createFlight, type Flight, subscribe } from "./build-flight";
import { BuildLog } from "./build-log";
import type { FairQueue } from "./fair-queue";
import type { Quotas } from "./quotas";

export interface BuildServiceParts {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly gate: ActivityGate;
  readonly queue: FairQueue;
  readonly quotas: Quotas;
  /** Folder of the builds' logs. */
  readonly logDir: string;
  readonly now: () => number;
  readonly log: Log;
}

/** One wish for an image. */
export interface BuildWish {
  readonly manifest: ImageManifest;
  readonly stepTimeoutMs: number;
  /** The snapshot that it is for, where there is one. */
  readonly name: string | null;
}

/**
 * Builds each image once: all who wish for one content hash of one organisation at the same time share a flight.
 *
 *   wish → (flight for this hash?) → cached checkpoint that the engine still has → done
 *                                  → build row `running` → its turn → engine.build → image row → `succeeded`
 *                                  → … → `failed` or `cancelled`: no image row, the log and the reason stay
 */
export class BuildService {
  private readonly flights = new Map<string, Flight>();
  private readonly ending = new Map<string, Promise<unknown>>();
  private readonly liveLogs = new Map<string, BuildLog>();
  private stopping = false;

  constructor(private readonly parts: BuildServiceParts) {}

  /** Joins the flight of this image, or starts it. @throws unavailable while the server stops; quota_exceeded */
  request(org: OrgStore, wish: BuildWish): BuildTicket {
    if (this.stopping) throw serverStopping();
    const hash = contentHash(wish.manifest);
    const key = `${org.orgId}/${hash}`;
    const flight = this.flights.get(key) ?? this.begin(key, org, wish, hash);
    const unwanted = cancelled("nobody waits for it any more");
    return subscribe(flight, (reason = unwanted) => this.cancel(key, flight, reason));
  }

  /** The log of a build that runs now. */
  liveLog(id: string): BuildLog | undefined {
    return this.liveLogs.get(id);
  }

  /** Cancels all builds and waits until their rows say so. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const [key, flight] of this.flights) this.cancel(key, flight, cancelled("the server is stopping"));
    await Promise.all(this.ending.values());
  }

  private begin(key: string, org: OrgStore, wish: BuildWish, hash: string): Flight {
    const endCount = this.parts.quotas.enter(org.orgId, "builds");
    const flight = createFlight();
    this.flights.set(key, flight);
    const predecessor = this.ending.get(key);
    const running = this.fly(flight, org, wish, hash, predecessor).finally(() => {
      flight.over = true;
      endCount();
      if (this.flights.get(key) === flight) this.flights.delete(key);
    });
    running.then(flight.land, flight.crash);
    return flight;
  }

  /** A cancelled flight takes no new passengers; the next one for this hash waits until it is down. */
  private cancel(key: string, flight: Flight, reason: OpenComputerError): void {
    if (flight.over || flight.controller.signal.aborted) return;
    if (this.flights.get(key) === flight) this.flights.delete(key);
    const end = Promise.allSettled([flight.done, this.ending.get(key)]).then(() => {
      if (this.ending.get(key) === end) this.ending.delete(key);
    });
    this.ending.set(key, end);
    flight.controller.abort(reason);
  }

  private async fly(flight: Flight, org: OrgStore, wish: BuildWish, hash: string, after?: Promise<unknown>) {
    await after;
    const leaveGate = await this.parts.gate.enter();
    try {
      flight.controller.signal.throwIfAborted();
      const cached = await this.findCached(org, hash);
      if (cached === undefined) return await this.build(flight, org, wish, hash);
      flight.open({ kind: "cached", hash });
      return cached;
    } finally {
      leaveGate();
      // Where it failed before there was a log, readers must not wait for one.
      flight.open({ kind: "nothing" });
    }
  }

  private async findCached(org: OrgStore, hash: string): Promise<CheckpointRow | undefined> {
    const image = await org.getImage(hash);
    const row = image && (await org.getCheckpoint(image.checkpointId));
    // An image on an older base is not the image that a build would give now.
    if (row === undefined || row.baseDigest !== this.parts.engine.describe().baseDigest) return undefined;
    return (await this.parts.engine.hasCheckpoint(row.checkpoint)) ? row : undefined;
  }

  private async build(flight: Flight, org: OrgStore, wish: BuildWish, hash: string): Promise<CheckpointRow> {
    const { logDir, now } = this.parts;
    const id = randomUUID();
    const logPath = join(logDir, `${id}.ndjson`);
    await makeFolders(logDir, 0o700);
    await org.insertBuild({
      ...{ id, contentHash: hash, name: wish.name, status: "running", error: null },
      ...{ logPath, startedAt: now(), finishedAt: null },
    });
    failpoint("build.noted");
    // After the row: what a crash leaves of it has somebody who removes it one day.
    const log = await this.openLog(org, id, logPath);
    try {
      flight.open({ kind: "building", id, log });
      return await this.buildAndRecord(flight, org, wish, { id, hash, log });
    } finally {
      this.liveLogs.delete(id);
      log.close();
    }
  }

  private async openLog(org: OrgStore, id: string, path: string): Promise<BuildLog> {
    try {
      const log = new BuildLog(path);
      this.liveLogs.set(id, log);
      return log;
    } catch (error) {
      await org.finishBuild(id, toOutcome(error, this.parts.now()));
      throw error;
    }
  }

  private async buildAndRecord(flight: Flight, org: OrgStore, wish: BuildWish, build: RunningBuild) {
    try {
      const row = await this.takeTurn(flight, org, build, () => this.runEngine(flight, org, wish, build));
      failpoint("build.made");
      await org.saveImage(wish.manifest, row);
      failpoint("build.saved");
      await org.finishBuild(build.id, { status: "succeeded", error: null, finishedAt: this.parts.now() });
      return row;
    } catch (error) {
      const reason = flight.controller.signal.aborted ? flight.controller.signal.reason : withBuildId(error, build.id);
      if (!isOpenComputerError(reason)) this.parts.log.error({ err: reason, buildId: build.id }, "a build broke");
      await org.finishBuild(build.id, toOutcome(reason, this.parts.now()));
      throw reason;
    }
  }

  private async takeTurn<T>(flight: Flight, org: OrgStore, { log }: RunningBuild, work: () => Promise<T>): Promise<T> {
    const waiter = { group: org.orgId };
    const ahead = this.parts.queue.countAhead(waiter);
    const message = `waiting for ${ahead} ${ahead === 1 ? "build" : "builds"} before this one`;
    if (ahead > 0) log.append({ step: 0, type: "queue", message });
    const endTurn = await this.parts.queue.enter(waiter, flight.controller.signal);
    try {
      return await work();
    } finally {
      endTurn();
    }
  }

  private async runEngine(flight: Flight, org: OrgStore, wish: BuildWish, build: RunningBuild): Promise<CheckpointRow> {
    const { engine, blobs, now } = this.parts;
    const checkpoint = await engine.build({
      manifest: wish.manifest,
      scope: org.orgId,
      openBlob: (digest) => blobs.open(org, digest),
      onLog: (event) => build.log.append(event),
      stepTimeoutMs: wish.stepTimeoutMs,
      signal: flight.controller.signal,
    });
    const { baseDigest } = engine.describe();
    return { id: randomUUID(), contentHash: build.hash, checkpoint, baseDigest, buildId: build.id, createdAt: now() };
  }
}

interface RunningBuild {
  readonly id: string;
  readonly hash: string;
  readonly log: BuildLog;
}

function toOutcome(reason: unknown, finishedAt: number): BuildOutcome {
  const status = isOpenComputerError(reason, "build_cancelled") ? "cancelled" : "failed";
  return { status, error: toErrorJson(reason), finishedAt };
}

/** A failed build is no snapshot's: its id is the way to its log. */
function withBuildId(error: unknown, buildId: string): unknown {
  if (!isOpenComputerError(error, "build_failed")) return error;
  const { message, details, retryable } = error;
  return new OpenComputerError("build_failed", message, { details: { ...details, buildId }, retryable, cause: error });
}

function cancelled(why: string): OpenComputerError {
  return new OpenComputerError("build_cancelled", `the build was cancelled: ${why}`);
}

/** The error for whatever comes while the server is stopping. */
export function serverStopping(): OpenComputerError {
  return new OpenComputerError("unavailable", "the server is stopping; try again when it has been started anew");
}
