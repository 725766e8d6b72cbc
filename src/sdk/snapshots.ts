import { setTimeout as sleep } from "node:timers/promises";
import type { ServerApi } from "../api/contract";
import type { SnapshotInfo } from "../api/records";
import { snapshotNameSchema } from "../api/schemas";
import { isOpenComputerError, OpenComputerError } from "../errors";
import type { Image } from "../image/image";
import { parseWith } from "../image/manifest";
import { type ConnectionOptions, openConnection } from "./connection";

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
  readonly signal?: AbortSignal;
}

export interface WaitForReadyOpts {
  readonly signal?: AbortSignal;
  /** Longest wait in milliseconds. Default: none. */
  readonly timeoutMs?: number;
  /** First pause between two looks, in milliseconds; doubles up to 5000. Default 1000. */
  readonly pollIntervalMs?: number;
}

const MAX_POLL_MS = 5_000;

/**
 * Named images that are built once and start in a moment.
 *
 * @example
 * const snapshots = new Snapshots();
 * await snapshots.create({ name: "data", image: Image.base().pipInstall(["pandas"]) });
 * const sandbox = await Sandbox.create({ snapshot: "data" });
 */
export class Snapshots {
  constructor(private readonly connection: ConnectionOptions = {}) {}

  /**
   * Builds the image where it is not built yet and gives it a name.
   *
   * @throws conflict where the name is taken; build_failed with the step, its exit code and last lines; invalid_input
   */
  async create(options: CreateSnapshotOpts): Promise<SnapshotInfo> {
    const { onBuildLog, onBuildLogs, signal, stepTimeoutSeconds } = options;
    const name = parseWith(snapshotNameSchema, options.name, "the snapshot's name");
    const image = options.image.resolve();
    const api = await this.open(signal);
    return api.createSnapshot(
      { name, image, ...(stepTimeoutSeconds === undefined ? {} : { stepTimeoutSeconds }) },
      {
        ...(signal ? { signal } : {}),
        onBuildLog: ({ message }) => {
          onBuildLog?.(message);
          onBuildLogs?.(message);
        },
      },
    );
  }

  /** All named snapshots, newest first. */
  async list(): Promise<SnapshotInfo[]> {
    return (await this.open()).listSnapshots();
  }

  /** @throws not_found */
  async get(name: string): Promise<SnapshotInfo> {
    return (await this.open()).getSnapshot(name);
  }

  /** Removes the name; sandboxes that were created from it run on. One that is gone is fine. */
  async delete(name: string): Promise<void> {
    await (await this.open()).deleteSnapshot(name);
  }

  /**
   * Waits for a snapshot that somebody else builds. One that does not exist yet counts as being built, because the
   * hosted service shows a snapshot only when it is over: give a `timeoutMs` where the name may be wrong.
   *
   * @throws build_failed, timeout, aborted
   */
  async waitUntilReady(name: string, options: WaitForReadyOpts = {}): Promise<SnapshotInfo> {
    const { signal, timeoutMs = Number.POSITIVE_INFINITY } = options;
    const deadline = Date.now() + timeoutMs;
    const api = await this.open(signal);
    for (let pauseMs = options.pollIntervalMs ?? 1_000; ; pauseMs = Math.min(pauseMs * 2, MAX_POLL_MS)) {
      const info = await findReady(api, name, signal);
      if (info) return info;
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw new OpenComputerError("timeout", `snapshot ${name} was not ready after ${timeoutMs} ms`);
      await pause(Math.min(pauseMs, leftMs), signal, name);
    }
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

async function pause(ms: number, signal: AbortSignal | undefined, name: string): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new OpenComputerError("aborted", `waiting for snapshot ${name} was aborted`, { cause });
  }
}
