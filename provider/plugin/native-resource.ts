import type { CheckpointInfo, SandboxInfo, SnapshotInfo } from "../../src/api/records";
import { isOpenComputerError } from "../../src/errors";
import { checkpointHandlers } from "../checkpoint";
import type { HandlerContext, Properties, ResourceHandlers } from "../context";
import { sandboxHandlers } from "../sandbox";
import { snapshotHandlers } from "../snapshot";

/** A resource as the native plugin offers it: the handlers of the dynamic one, and what only this host asks. */
export interface NativeResource {
  readonly handlers: ResourceHandlers;
  /** Outputs that only the server knows: a preview of a create says that they are unknown. */
  readonly serverOutputs: readonly string[];
  /** Whether an update leaves them as they are. */
  readonly keepsServerOutputs: (olds: Properties, news: Properties) => boolean;
  /** What somebody means who has nothing but an id: its inputs, as a program would write them. Undefined where it is gone. */
  readonly find: (api: HandlerContext["api"], id: string, signal: AbortSignal) => Promise<Found | undefined>;
}

/** A resource that is there already. */
export interface Found {
  readonly id: string;
  readonly inputs: Properties;
}

/** By their type tokens. */
export const NATIVE_RESOURCES: Readonly<Record<string, NativeResource>> = {
  "opencomputer:index:Snapshot": {
    handlers: snapshotHandlers,
    serverOutputs: ["record"],
    keepsServerOutputs: (olds, news) => olds["contentHash"] === news["contentHash"],
    find: (api, id, signal) =>
      whereThere(
        () => api.getSnapshot(id, { signal }),
        ({ status }) => status === "ready",
        fromSnapshot,
      ),
  },
  "opencomputer:index:Sandbox": {
    handlers: sandboxHandlers,
    serverOutputs: ["sandboxId", "status"],
    keepsServerOutputs: () => true,
    find: (api, id, signal) =>
      whereThere(
        () => api.getSandbox(id, { signal }),
        ({ status }) => status === "running" || status === "hibernated",
        async (sandbox) => fromSandbox(sandbox, await originOf(api, sandbox, signal)),
      ),
  },
  "opencomputer:index:Checkpoint": {
    handlers: checkpointHandlers,
    serverOutputs: ["checkpointId", "sizeBytes", "status", "createdAt"],
    keepsServerOutputs: () => true,
    find: (api, id, signal) =>
      whereThere(
        () => api.getCheckpoint(id, { signal }),
        ({ status }) => status === "ready",
        fromCheckpoint,
      ),
  },
};

async function whereThere<T>(
  get: () => Promise<T>,
  isThere: (record: T) => boolean,
  toFound: (record: T) => Found | Promise<Found>,
): Promise<Found | undefined> {
  try {
    const record = await get();
    return isThere(record) ? await toFound(record) : undefined;
  } catch (error) {
    if (isOpenComputerError(error, "not_found")) return undefined;
    throw error;
  }
}

function fromSnapshot({ id, name, manifest, labels, retention, warmPool }: SnapshotInfo): Found {
  return { id, inputs: given({ name, image: manifest, labels, retention, warmPool: unless(0, warmPool) }) };
}

function fromCheckpoint({ id, sandboxId, name, kind }: CheckpointInfo): Found {
  return { id, inputs: given({ sandbox: sandboxId, name, kind: unless("disk_only", kind) }) };
}

/** The checkpoint that somebody took and started a sandbox from; that of an image is none. */
async function originOf(
  api: HandlerContext["api"],
  { sandboxID, snapshot, fromCheckpointId }: SandboxInfo,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (snapshot !== undefined || fromCheckpointId === undefined) return undefined;
  const found = await whereThere(
    () => api.getCheckpoint(fromCheckpointId, { signal }),
    // One that was put back stands on a checkpoint of its own.
    ({ sandboxId }) => sandboxId !== sandboxID,
    fromCheckpoint,
  );
  return found?.id;
}

/**
 * The environment is not there: no server tells it, as it may hold secrets. What is the default, or comes with a checkpoint,
 * a program would not write.
 */
function fromSandbox(sandbox: SandboxInfo, checkpoint: string | undefined): Found {
  const { sandboxID, snapshot, metadata, tags, timeout, memoryMB, cpuCount, network } = sandbox;
  const common = { snapshot, checkpoint, metadata, tags, timeout: unless(0, timeout) };
  if (checkpoint !== undefined) return { id: sandboxID, inputs: given(common) };
  const sizes = { memoryMB: unless(4096, memoryMB), cpuCount: unless(1, cpuCount) };
  return { id: sandboxID, inputs: given({ ...common, ...sizes, network: unless("egress", network) }) };
}

function unless<T>(standard: T, value: T | undefined): T | undefined {
  return value === standard ? undefined : value;
}

/** Without what says nothing: an empty map is as good as none, and a program would not write it. */
function given(inputs: Properties): Properties {
  const isEmpty = (value: unknown) =>
    value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => !isEmpty(value)));
}
