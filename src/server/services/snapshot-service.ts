import { randomUUID } from "node:crypto";
import { fromErrorJson, OpenComputerError } from "../../errors";
import { contentHash } from "../../image/hash";
import type { ImageManifest } from "../../image/image-manifest";
import type { BuildRow, OrgStore, SnapshotRow } from "../store/store";
import { readBuildLog } from "./build-log";
import type { BuildService } from "./build-service";
import { type PendingSnapshot, SnapshotCreation } from "./snapshot-creation";

export interface SnapshotServiceParts {
  readonly builds: BuildService;
  readonly now: () => number;
}

export interface SnapshotWish {
  readonly name: string;
  readonly manifest: ImageManifest;
  readonly stepTimeoutMs: number;
}

/** A name that is held while its snapshot is made, so that of two who want it one is told before anything is built. */
interface HeldName {
  readonly contentHash: string;
  readonly creation: Promise<SnapshotCreation>;
}

/** Names for built images. A name is given once: until its snapshot is deleted, or where its build failed. */
export class SnapshotService {
  private readonly held = new Map<string, HeldName>();

  constructor(private readonly parts: SnapshotServiceParts) {}

  /**
   * Begins a snapshot, or joins the one that is being made under this name from the same image. The row is written when
   * the build has succeeded.
   *
   * @throws conflict where the name is taken, before anything is built
   */
  async begin(org: OrgStore, wish: SnapshotWish): Promise<PendingSnapshot> {
    return (await this.open(org, wish)).hold();
  }

  /**
   * Begins a snapshot that is made without anybody waiting: its row is there at once, `building`, then `ready` or
   * `failed`.
   *
   * @throws conflict where the name is taken
   */
  async beginDetached(org: OrgStore, wish: SnapshotWish): Promise<SnapshotRow> {
    return await (await this.open(org, wish)).detach();
  }

  async list(org: OrgStore): Promise<SnapshotRow[]> {
    return await org.listSnapshots();
  }

  /** @throws not_found */
  async get(org: OrgStore, name: string): Promise<SnapshotRow> {
    const row = await org.getSnapshot(name);
    if (row === undefined) throw snapshotNotFound(name);
    return row;
  }

  /** Gives the name back; sandboxes live on. One that is still building is cancelled. @throws not_found */
  async delete(org: OrgStore, name: string): Promise<void> {
    const held = this.held.get(keyOf(org, name));
    if (!(await org.deleteSnapshot(name))) throw snapshotNotFound(name);
    (await held?.creation)?.abandon();
  }

  /** A snapshot that a sandbox can start from. @throws not_found; conflict where it is not ready */
  async getReady(org: OrgStore, name: string): Promise<SnapshotRow & { readonly checkpointId: string }> {
    const row = await this.get(org, name);
    const { checkpointId } = row;
    if (row.status === "ready" && checkpointId !== null) return { ...row, checkpointId };
    const reason = row.error === null ? "" : `: ${row.error.error}`;
    const message = `snapshot ${name} is not ready (status: ${row.status})${reason}`;
    throw new OpenComputerError("conflict", message, { details: { status: row.status } });
  }

  /** Notes that a sandbox was created from it, and from which checkpoint. */
  async noteUse(org: OrgStore, row: SnapshotRow, checkpointId: string): Promise<void> {
    await org.updateSnapshot(row.id, { lastUsedAt: this.parts.now(), checkpointId });
  }

  /** The build under this name: the one that runs, the snapshot's, or the last that failed. @throws not_found */
  async follow(org: OrgStore, name: string): Promise<PendingSnapshot> {
    const held = this.held.get(keyOf(org, name));
    if (held !== undefined) return (await held.creation).hold();
    const row = await org.getSnapshot(name);
    const build = row?.buildId ? await org.getBuild(row.buildId) : await org.latestBuildNamed(name);
    if (row === undefined && build === undefined) throw snapshotNotFound(name);
    return pastBuild(name, row, build);
  }

  private async open(org: OrgStore, wish: SnapshotWish): Promise<SnapshotCreation> {
    const key = keyOf(org, wish.name);
    const hash = contentHash(wish.manifest);
    const held = this.held.get(key);
    if (held !== undefined && held.contentHash !== hash) throw nameTaken(wish.name);
    if (held !== undefined) return await held.creation;
    const opened: HeldName = { contentHash: hash, creation: this.create(org, wish, hash, () => release()) };
    const release = () => {
      if (this.held.get(key) === opened) this.held.delete(key);
    };
    this.held.set(key, opened);
    opened.creation.catch(release);
    return await opened.creation;
  }

  private async create(org: OrgStore, wish: SnapshotWish, hash: string, onOver: () => void): Promise<SnapshotCreation> {
    const { name, manifest, stepTimeoutMs } = wish;
    const taken = await org.getSnapshot(name);
    if (taken !== undefined && taken.status !== "failed") throw nameTaken(name);
    // A failed build does not keep its name.
    if (taken !== undefined) await org.deleteSnapshot(name);
    const row: SnapshotRow = {
      ...{ id: randomUUID(), name, status: "building", contentHash: hash, manifest },
      ...{ checkpointId: null, buildId: null, error: null, createdAt: this.parts.now(), lastUsedAt: null },
    };
    return new SnapshotCreation(org, row, this.parts.builds.request(org, { manifest, stepTimeoutMs, name }), onOver);
  }
}

/** The log and outcome of a build that is over. */
function pastBuild(name: string, row: SnapshotRow | undefined, build: BuildRow | undefined): PendingSnapshot {
  const result = row?.status === "ready" ? Promise.resolve(row) : Promise.reject(pastFailure(name, row, build));
  result.catch(() => {});
  return {
    events: async function* (from) {
      if (build !== undefined) yield* readBuildLog(build.logPath, from);
    },
    result,
    leave: () => {},
  };
}

function pastFailure(name: string, row: SnapshotRow | undefined, build: BuildRow | undefined): OpenComputerError {
  const reason = row?.error ?? build?.error;
  return reason ? fromErrorJson(reason, "build_failed") : snapshotNotFound(name);
}

function keyOf(org: OrgStore, name: string): string {
  return `${org.orgId}/${name}`;
}

function snapshotNotFound(name: string): OpenComputerError {
  return new OpenComputerError("not_found", `snapshot not found: ${name}`);
}

function nameTaken(name: string): OpenComputerError {
  return new OpenComputerError(
    "conflict",
    `snapshot name already exists: ${name}. Delete that snapshot first, or choose another name.`,
    { details: { name } },
  );
}
