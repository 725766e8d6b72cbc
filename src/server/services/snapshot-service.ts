import { invalidInput, OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import { contentHash } from "../../image/hash";
import {
  type Labels,
  nameTaken,
  type SnapshotChange,
  type SnapshotRow,
  type SnapshotUser,
  type SnapshotWish,
} from "../store/snapshot-store";
import type { OrgStore } from "../store/store";
import type { ActivityGate } from "./activity-gate";
import type { BuildService } from "./build-service";
import { pastSnapshot } from "./past-snapshot";
import type { Quotas } from "./quotas";
import { cancelled, type PendingSnapshot, SnapshotCreation } from "./snapshot-creation";
import { parseSnapshotRef } from "./snapshot-ref";
import type { WarmPools } from "./warm-pools";

export interface SnapshotServiceParts {
  readonly builds: BuildService;
  readonly gate: ActivityGate;
  /** Told of every name whose current version may be another now. */
  readonly warm: WarmPools;
  readonly quotas: Quotas;
  readonly now: () => number;
}

/** A version that somebody asks for. */
export interface SnapshotOrder extends Omit<SnapshotWish, "contentHash"> {
  readonly stepTimeoutMs: number;
  /** Limit of the whole build. Default: none. */
  readonly buildTimeoutMs?: number;
}

/**
 * Names for built images, and their versions. References are `name` (the current version), `name@3`,
 * `name@<digits of the hash>` and `name:tag`.
 */
export class SnapshotService {
  /** What is being made, by name, in the order of asking. */
  private readonly creations = new Map<string, Set<SnapshotCreation>>();

  constructor(private readonly parts: SnapshotServiceParts) {}

  /**
   * Begins a version for somebody who waits. It is written down when the build has succeeded.
   *
   * @throws conflict where the name is taken, before anything is built
   */
  async begin(org: OrgStore, order: SnapshotOrder): Promise<PendingSnapshot> {
    return await this.open(org, order, false);
  }

  /**
   * Begins a version that is made without anybody waiting: its row is there at once, `building`, then `ready` or
   * `failed`.
   *
   * @throws conflict where the name is taken
   */
  async beginDetached(org: OrgStore, order: SnapshotOrder): Promise<SnapshotRow> {
    const { reserved, result } = await this.open(org, order, true);
    return await (reserved ?? result);
  }

  /** The current versions of the names that have all these labels, newest first. */
  async list(org: OrgStore, labels: Labels = {}): Promise<SnapshotRow[]> {
    return await org.snapshots.list(labels);
  }

  /** Newest first. @throws not_found */
  async listVersions(org: OrgStore, name: string): Promise<SnapshotRow[]> {
    const rows = await org.snapshots.listVersions(name);
    if (rows.length === 0) throw snapshotNotFound(name);
    return rows;
  }

  /** The running sandboxes that came from any of its versions. @throws not_found */
  async listUsers(org: OrgStore, name: string): Promise<SnapshotUser[]> {
    await this.listVersions(org, name);
    return await org.snapshots.listUsers(name);
  }

  /** @throws not_found; conflict where the digits of a hash mean several */
  async get(org: OrgStore, ref: string): Promise<SnapshotRow> {
    const row = await this.find(org, ref);
    if (row === undefined) throw snapshotNotFound(ref);
    return row;
  }

  /** A version that a sandbox can start from. @throws not_found; conflict where it is not ready */
  async getReady(org: OrgStore, ref: string): Promise<SnapshotRow & { readonly checkpointId: string }> {
    const row = await this.get(org, ref);
    const { checkpointId } = row;
    if (row.status === "ready" && checkpointId !== null) return { ...row, checkpointId };
    const reason = row.error === null ? "" : `: ${row.error.error}`;
    const message = `snapshot ${ref} is not ready (status: ${row.status})${reason}`;
    throw new OpenComputerError("conflict", message, { details: { status: row.status } });
  }

  /**
   * Deletes a name with all versions, or one version; sandboxes live on. What is still building is cancelled.
   *
   * @throws not_found; conflict for the current version among others
   */
  async delete(org: OrgStore, text: string): Promise<void> {
    const ref = parseSnapshotRef(text);
    if (ref?.kind === "tag") throw tagIsNoVersion(text);
    const row = await this.get(org, text);
    const isGone = ref?.kind === "current" ? org.snapshots.deleteName(row.name) : org.snapshots.deleteVersion(row);
    if (!(await isGone)) throw snapshotNotFound(text);
    failpoint("snapshot.deleted");
    this.parts.warm.refresh(org, row.name);
    for (const creation of this.live(org, row.name)) {
      const isMeant = ref?.kind === "current" || creation.wish.contentHash === row.contentHash;
      if (isMeant) creation.giveUp(cancelled(`snapshot ${text} was deleted`));
    }
  }

  /** Makes a version the current one. @throws not_found; conflict where it is not ready */
  async promote(org: OrgStore, ref: string): Promise<SnapshotRow> {
    const row = await this.getReady(org, ref);
    const promoted = await this.done(org, row, org.snapshots.promote(row, this.parts.now()));
    failpoint("snapshot.promoted");
    this.parts.warm.refresh(org, row.name);
    return promoted;
  }

  /** Gives a version a tag, or moves the tag to it. @throws not_found */
  async tag(org: OrgStore, ref: string, tag: string): Promise<SnapshotRow> {
    const row = await this.get(org, ref);
    return await this.done(org, row, org.snapshots.tag(row, tag));
  }

  /** @throws not_found */
  async untag(org: OrgStore, name: string, tag: string): Promise<void> {
    if (!(await org.snapshots.untag(name, tag))) throw snapshotNotFound(`${name}:${tag}`);
  }

  /** Changes labels, retention or warm pool of a name. @throws not_found */
  async change(org: OrgStore, name: string, change: SnapshotChange): Promise<SnapshotRow> {
    await this.assertWarm(org, name, change.warmPool);
    if (!(await org.snapshots.change(name, change))) throw snapshotNotFound(name);
    this.parts.warm.refresh(org, name);
    return await this.get(org, name);
  }

  /**
   * The build that a reference means: of a bare name the one that runs, else that of its current version, else the last
   * that was tried. Looking on holds nothing.
   *
   * @throws not_found
   */
  async follow(org: OrgStore, text: string): Promise<PendingSnapshot> {
    const row = await this.find(org, text);
    const isName = parseSnapshotRef(text)?.kind === "current";
    const live = [...this.live(org, row?.name ?? text)].reverse();
    const running = live.find(
      ({ wish }) => isName || (row?.status === "building" && wish.contentHash === row.contentHash),
    );
    if (running) return { events: running.events.bind(running), result: running.result, leave: () => {} };
    const build = row?.buildId
      ? await org.getBuild(row.buildId)
      : isName
        ? await org.latestBuildNamed(text)
        : undefined;
    if (row === undefined && build === undefined) throw snapshotNotFound(text);
    return pastSnapshot(row, build);
  }

  private async open(org: OrgStore, order: SnapshotOrder, detached: boolean): Promise<SnapshotCreation> {
    const { stepTimeoutMs, buildTimeoutMs: timeoutMs, ...described } = order;
    const { name, manifest } = described;
    const wish = { ...described, contentHash: contentHash(manifest) };
    await this.parts.quotas.assertRoom(org, "snapshots");
    await this.assertWarm(org, name, wish.warmPool);
    const [row] = await org.snapshots.find({ name, kind: "current" });
    // No await stands between this look and the note below, so of two who want a new name one sees the other.
    this.assertMayHave(org, wish, row);
    const live = this.live(org, name);
    const ticket = this.parts.builds.request(org, { manifest, stepTimeoutMs, name });
    const onOver = () => {
      live.delete(creation);
      this.parts.warm.refresh(org, name);
      if (live.size === 0) this.creations.delete(keyOf(org, name));
    };
    const { gate, now } = this.parts;
    const creation = new SnapshotCreation({ org, wish, ticket, gate, detached, timeoutMs, now, onOver });
    this.creations.set(keyOf(org, name), live.add(creation));
    return creation;
  }

  private async assertWarm(org: OrgStore, name: string, wanted = 0): Promise<void> {
    if (wanted === 0) return;
    const [row] = await org.snapshots.find({ name, kind: "current" });
    await this.parts.quotas.assertRoom(org, "warm", wanted - (row?.warmPool ?? 0));
  }

  /** What can be told before building; the transaction at the end tells the rest. */
  private assertMayHave(org: OrgStore, wish: SnapshotWish, row: SnapshotRow | undefined): void {
    if (!wish.isNew) return;
    const others = [...this.live(org, wish.name)].map((creation) => creation.wish);
    const isShared = others.every(({ contentHash, owner }) => contentHash === wish.contentHash && owner === wish.owner);
    const isOthers = row?.status === "building" && others.length > 0;
    if (!isShared || !(row === undefined || row.status === "failed" || isOthers)) throw nameTaken(wish.name);
  }

  private async find(org: OrgStore, text: string): Promise<SnapshotRow | undefined> {
    const ref = parseSnapshotRef(text);
    const [row, another] = ref ? await org.snapshots.find(ref) : [];
    if (another === undefined) return row;
    throw new OpenComputerError("conflict", `${text} means several versions; give more digits of the contentHash`);
  }

  /** The version as it is after a change. @throws not_found where it was gone by then */
  private async done(org: OrgStore, { name, version }: SnapshotRow, change: Promise<boolean>): Promise<SnapshotRow> {
    const ref = `${name}@${version}`;
    if (!(await change)) throw snapshotNotFound(ref);
    return await this.get(org, ref);
  }

  private live(org: OrgStore, name: string): Set<SnapshotCreation> {
    return this.creations.get(keyOf(org, name)) ?? new Set();
  }
}

function keyOf(org: OrgStore, name: string): string {
  return `${org.orgId}/${name}`;
}

function snapshotNotFound(ref: string): OpenComputerError {
  return new OpenComputerError("not_found", `snapshot not found: ${ref}`);
}

function tagIsNoVersion(ref: string): OpenComputerError {
  const [name] = ref.split(":");
  const message = `is a tag: take it away with DELETE /api/snapshots/${name}/tags/…, or delete the version as ${name}@NUMBER`;
  return invalidInput("the request", [{ path: ref, message }]);
}
