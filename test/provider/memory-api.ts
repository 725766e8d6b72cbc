import type { HandlerContext } from "../../provider/context";
import type {
  BuildOptions,
  CallOptions,
  CreateCheckpointRequest,
  CreateSandboxRequest,
  CreateSnapshotRequest,
  ForkRequest,
  SnapshotChange,
} from "../../src/api/contract";
import type { CheckpointInfo, ExecRequest, ExecResult, SandboxInfo, SnapshotInfo } from "../../src/api/records";
import { OpenComputerError } from "../../src/errors";
import { contentHash } from "../../src/image/hash";

type HandlerApi = HandlerContext["api"];

/** The part of a server that resource handlers see, kept in three maps. It builds nothing and runs nothing. */
export class MemoryApi
  implements
    Pick<
      HandlerApi,
      | "createSnapshot"
      | "getSnapshot"
      | "deleteSnapshot"
      | "updateSnapshot"
      | "createSandbox"
      | "listSandboxes"
      | "getSandbox"
      | "killSandbox"
      | "setSandboxTimeout"
      | "setSandboxTags"
      | "exec"
      | "createCheckpoint"
      | "listCheckpoints"
      | "deleteCheckpoint"
      | "createSandboxFromCheckpoint"
    >
{
  readonly snapshots = new Map<string, SnapshotInfo>();
  readonly sandboxes = new Map<string, SandboxInfo>();
  /** Those of all sandboxes, by their ids. */
  readonly checkpoints = new Map<string, CheckpointInfo>();
  readonly calls: string[] = [];
  /** The last request of each kind. */
  lastSnapshot: CreateSnapshotRequest | undefined;
  lastSandbox: CreateSandboxRequest | undefined;
  lastExec: ExecRequest | undefined;
  lastCheckpoint: CreateCheckpointRequest | undefined;
  lastFork: ForkRequest | undefined;
  execResult: ExecResult = { exitCode: 0, stdout: "", stderr: "" };
  /** Raised by every call while it is set: a server that is down, or a key that it does not know. */
  failure: OpenComputerError | undefined;
  /** How the next builds end. */
  buildFailure: OpenComputerError | undefined;
  /** What the next checkpoints become once somebody looks. */
  checkpointEnd: Pick<CheckpointInfo, "status" | "errorMsg"> = { status: "ready" };
  private count = 0;

  /** @param versions false for a server that has one snapshot a name and keeps nothing of ours, as the hosted one */
  constructor(private readonly versions = true) {}

  async createSnapshot(request: CreateSnapshotRequest, options?: BuildOptions) {
    const { name, image, ifExists = "fail", labels = {}, warmPool = 0, owner } = request;
    this.lastSnapshot = request;
    this.note(`createSnapshot ${name} ${ifExists}`);
    const existing = this.snapshots.get(name);
    if (existing && (ifExists === "fail" || !this.versions)) {
      throw new OpenComputerError("conflict", `the name ${name} is taken`);
    }
    if (existing?.contentHash === contentHash(image.manifest)) {
      const given = { labels: request.labels, warmPool: request.warmPool, owner };
      const known = { ...existing, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value)) };
      this.snapshots.set(name, known);
      return known;
    }
    options?.onBuildLog?.({ step: 1, type: "run", message: "step 1/1: run it" });
    if (this.buildFailure) throw this.buildFailure;
    options?.onBuildLog?.({ step: 1, type: "run", message: "step 1/1 completed in 2.0 s" });
    const number = ++this.count;
    const ours = { version: (existing?.version ?? 0) + 1, labels, warmPool, owner: owner ?? existing?.owner };
    const snapshot: SnapshotInfo = {
      ...{ id: existing?.id ?? `snapshot-${number}`, name, status: "ready" },
      // The hosted service hashes in its own way.
      ...{
        contentHash: this.versions ? contentHash(image.manifest) : `hosted-${number}`,
        checkpointId: `checkpoint-${number}`,
        manifest: image.manifest,
      },
      ...{ createdAt: "2026-01-01T00:00:00.000Z", lastUsedAt: String(number) },
      ...(this.versions ? ours : {}),
    };
    this.snapshots.set(name, snapshot);
    return snapshot;
  }

  async getSnapshot(name: string) {
    this.note(`getSnapshot ${name}`);
    return this.snapshots.get(name) ?? missing(name);
  }

  async deleteSnapshot(name: string) {
    this.note(`deleteSnapshot ${name}`);
    this.snapshots.delete(name);
  }

  async updateSnapshot(name: string, change: SnapshotChange) {
    this.note(`updateSnapshot ${name} ${JSON.stringify(change)}`);
    const snapshot = { ...(this.snapshots.get(name) ?? missing(name)), ...change };
    this.snapshots.set(name, snapshot);
    return snapshot;
  }

  async createSandbox(request: CreateSandboxRequest) {
    this.lastSandbox = request;
    this.note(`createSandbox ${request.image ? "image" : (request.snapshot ?? "base")}`);
    if (!this.versions && request.snapshot?.includes("@")) missing(request.snapshot);
    const owner = this.versions && request.owner ? { owner: request.owner } : {};
    const sandbox: SandboxInfo = { sandboxID: `sb-${++this.count}`, status: "running", ...owner };
    this.sandboxes.set(sandbox.sandboxID, sandbox);
    return sandbox;
  }

  async listSandboxes() {
    return [...this.sandboxes.values()];
  }

  async getSandbox(id: string) {
    this.note(`getSandbox ${id}`);
    return this.sandboxes.get(id) ?? missing(id);
  }

  async killSandbox(id: string) {
    this.note(`killSandbox ${id}`);
    if (!this.sandboxes.delete(id)) missing(id);
  }

  async setSandboxTimeout(id: string, seconds: number) {
    this.note(`setSandboxTimeout ${id} ${seconds}`);
  }

  async setSandboxTags(id: string, tags: Readonly<Record<string, string>>) {
    this.note(`setSandboxTags ${id} ${JSON.stringify(tags)}`);
  }

  async exec(id: string, request: ExecRequest) {
    this.lastExec = request;
    this.note(`exec ${id}`);
    return this.execResult;
  }

  async createCheckpoint(sandboxId: string, request: CreateCheckpointRequest) {
    const { name, kind = "disk_only", owner } = request;
    this.lastCheckpoint = request;
    this.note(`createCheckpoint ${sandboxId} ${name}`);
    const isTaken = [...this.checkpoints.values()].some((one) => one.sandboxId === sandboxId && one.name === name);
    if (isTaken) throw new OpenComputerError("conflict", `the name ${name} is taken`);
    const begun: CheckpointInfo = {
      ...{ id: `checkpoint-${++this.count}`, sandboxId, name, kind, status: "processing", sizeBytes: 4096 },
      ...{ createdAt: "2026-01-01T00:00:00.000Z", ...(this.versions && owner ? { owner } : {}) },
    };
    this.checkpoints.set(begun.id, begun);
    return begun;
  }

  async listCheckpoints(sandboxId: string, options?: CallOptions) {
    this.note(`listCheckpoints ${sandboxId}`);
    options?.signal?.throwIfAborted();
    const found = [...this.checkpoints.values()].filter((one) => one.sandboxId === sandboxId);
    for (const one of found)
      if (one.status === "processing") this.checkpoints.set(one.id, { ...one, ...this.checkpointEnd });
    return found;
  }

  async deleteCheckpoint(sandboxId: string, id: string) {
    this.note(`deleteCheckpoint ${sandboxId} ${id}`);
    this.checkpoints.delete(id);
  }

  async createSandboxFromCheckpoint(id: string, request: ForkRequest) {
    this.lastFork = request;
    this.note(`createSandboxFromCheckpoint ${id}`);
    const { owner } = request;
    const sandbox: SandboxInfo = { sandboxID: `sb-${++this.count}`, status: "running", ...(owner ? { owner } : {}) };
    this.sandboxes.set(sandbox.sandboxID, sandbox);
    return sandbox;
  }

  private note(call: string): void {
    if (this.failure) throw this.failure;
    this.calls.push(call);
  }
}

function missing(what: string): never {
  throw new OpenComputerError("not_found", `${what} not found`);
}
