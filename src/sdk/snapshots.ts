import type { ServerApi, SnapshotChange } from "../api/contract";
import type { Retention, SnapshotInfo, SnapshotUsage } from "../api/records";
import { snapshotNameSchema } from "../api/schemas";
import { isOpenComputerError, OpenComputerError } from "../errors";
import type { Image } from "../image/image";
import { parseWith } from "../image/manifest";
import { type ConnectionOptions, openConnection } from "./connection";
import { poll, type WaitForReadyOpts } from "./poll";

const FIRST_POLL_MS = 1_000;

export interface CreateSnapshotOpts {
  /** 1 to 128 letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly image: Image;
  /** Called with each line of the build, live. */
  readonly onBuildLog?: (log: string) => void;
  /** The official SDK's spelling of `onBuildLog` for snapshots. */
  readonly onBuildLogs?: (log: string) => void;
  /** Limit of each build step, in seconds. Default: the server's, 30 minutes. */
  readonly stepTimeoutSeconds?: number;
  /** Limit of the whole build, in seconds. Default: none beyond its steps'. Our server only, as all that follows. */
  readonly buildTimeoutSeconds?: number;
  /** `version`: where the name is taken, the image becomes its new current version. Default `fail`. */
  readonly ifExists?: "fail" | "version";
  readonly labels?: Readonly<Record<string, string>>;
  /** Which versions stay that are no longer current. Default: the last one. */
  readonly retention?: Retention;
  /** How many sandboxes of the current version are kept started ahead, 0 to 100. Default 0. */
  readonly warmPool?: number;
  readonly signal?: AbortSignal;
}

export interface ListSnapshotsOpts {
  /** Only those that have all of these. Default: all. */
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Named images that are built once and start in a moment.
 *
 * @example
 * const snapshots = new Snapshots();
 * await snapshots.create({ name: "data", image: Image.base().pipInstall(["pandas"]) });
 * const sandbox = await Sandbox.create({ snapshot: "data" });
 *
 * await snapshots.create({ name: "data", image: other, ifExists: "version" }); // data@2 is current
 * await snapshots.promote("data@1"); // and back
 */
export class Snapshots {
  constructor(private readonly connection: ConnectionOptions = {}) {}

  /**
   * Builds the image where it is not built yet and gives it a name, or with `ifExists: "version"` makes it the current
   * version of the name.
   *
   * @throws conflict where the name is taken; timeout after buildTimeoutSeconds; build_failed with the step, its exit code and last lines; invalid_input
   */
  async create(options: CreateSnapshotOpts): Promise<SnapshotInfo> {
    const { onBuildLog, onBuildLogs, signal, image: given, ...fields } = options;
    parseWith(snapshotNameSchema, fields.name, "the snapshot's name");
    const image = given.resolve();
    const api = await this.open(signal);
    return api.createSnapshot(
      { ...fields, image },
      {
        ...(signal ? { signal } : {}),
        onBuildLog: ({ message }) => {
          onBuildLog?.(message);
          onBuildLogs?.(message);
        },
      },
    );
  }

  /** The current version of each name, newest first. */
  async list(options: ListSnapshotsOpts = {}): Promise<SnapshotInfo[]> {
    return (await this.open()).listSnapshots(options);
  }

  /** The current version of a name, or one of its versions: `name@3`, `name@HASH`, `name:tag`. @throws not_found */
  async get(ref: string): Promise<SnapshotInfo> {
    return (await this.open()).getSnapshot(ref);
  }

  /**
   * Removes a name with its versions, or one version (`name@3`); sandboxes that were created from it run on. One that is
   * gone is fine.
   *
   * @throws conflict for the current version of a name that has others
   */
  async delete(ref: string): Promise<void> {
    await (await this.open()).deleteSnapshot(ref);
  }

  /** All versions of a name, newest first. @throws not_found */
  async versions(name: string): Promise<SnapshotInfo[]> {
    return (await this.open()).listSnapshotVersions(name);
  }

  /** Makes a version the current one, at once: a rollback. @throws not_found; conflict where it is not ready */
  async promote(ref: string): Promise<SnapshotInfo> {
    return (await this.open()).promoteSnapshot(ref);
  }

  /** Gives a version a further name, `name:tag`, or moves that to it; it stays while it has one. @throws not_found */
  async tag(ref: string, tag: string): Promise<SnapshotInfo> {
    return (await this.open()).tagSnapshot(ref, tag);
  }

  /** Takes a tag away; one that is gone is fine. */
  async untag(name: string, tag: string): Promise<void> {
    await (await this.open()).untagSnapshot(name, tag);
  }

  /** Changes labels, retention or warm pool of a name; what is absent stays. @throws not_found */
  async update(name: string, change: SnapshotChange): Promise<SnapshotInfo> {
    return (await this.open()).updateSnapshot(name, change);
  }

  /** The running sandboxes that were started from any of its versions. @throws not_found */
  async usage(name: string): Promise<SnapshotUsage> {
    return (await this.open()).snapshotUsage(name);
  }

  /**
   * Waits for a snapshot that somebody else builds. One that does not exist yet counts as being built, because the
   * hosted service shows a snapshot only when it is over: give a `timeoutMs` where the name may be wrong.
   *
   * @throws build_failed, timeout, aborted
   */
  async waitUntilReady(name: string, options: WaitForReadyOpts = {}): Promise<SnapshotInfo> {
    const { signal } = options;
    const api = await this.open(signal);
    return poll(`snapshot ${name}`, () => findReady(api, name, signal), options, FIRST_POLL_MS);
  }

  private open(signal?: AbortSignal): Promise<ServerApi> {
    return openConnection(this.connection, signal);
  }
}

async function findReady(api: ServerApi, name: string, signal?: AbortSignal): Promise<SnapshotInfo | undefined> {
  try {
    const info = await api.getSnapshot(name, signal ? { signal } : {});
    if (info.status !== "failed") return info.status === "ready" ? info : undefined;
    throw new OpenComputerError(
      "build_failed",
      `snapshot ${name} could not be built: ${info.error ?? "no reason given"}`,
    );
  } catch (error) {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  }
}
