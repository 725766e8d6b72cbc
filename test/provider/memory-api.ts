import type { Api, CreateSandboxRequest, CreateSnapshotRequest } from "../../src/api/contract";
import type { SandboxInfo, SnapshotInfo } from "../../src/api/records";
import { OpenComputerError } from "../../src/errors";
import { contentHash } from "../../src/image/hash";

/** The part of a server that resource handlers see, kept in two maps. It builds nothing and runs nothing. */
export class MemoryApi
  implements
    Pick<
      Api,
      | "createSnapshot"
      | "getSnapshot"
      | "deleteSnapshot"
      | "createSandbox"
      | "getSandbox"
      | "killSandbox"
      | "setSandboxTimeout"
    >
{
  readonly snapshots = new Map<string, SnapshotInfo>();
  readonly sandboxes = new Map<string, SandboxInfo>();
  readonly calls: string[] = [];
  /** Raised by every call while it is set: a server that is down, or a key that it does not know. */
  failure: OpenComputerError | undefined;
  private count = 0;

  async createSnapshot(
    { name, image }: CreateSnapshotRequest,
    options?: { onBuildLog?: (event: { step: number; type: string; message: string }) => void },
  ) {
    this.note(`createSnapshot ${name}`);
    if (this.snapshots.has(name)) throw new OpenComputerError("conflict", `the name ${name} is taken`);
    options?.onBuildLog?.({ step: 1, type: "run", message: "step 1/1: run it" });
    const snapshot: SnapshotInfo = {
      id: `snapshot-${++this.count}`,
      name,
      status: "ready",
      contentHash: contentHash(image.manifest),
      checkpointId: `checkpoint-${this.count}`,
      manifest: image.manifest,
      createdAt: "2026-01-01T00:00:00.000Z",
      lastUsedAt: String(this.count),
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

  async createSandbox(request: CreateSandboxRequest) {
    this.note(`createSandbox ${request.snapshot ?? "base"}`);
    const sandbox: SandboxInfo = { sandboxID: `sb-${++this.count}`, status: "running" };
    this.sandboxes.set(sandbox.sandboxID, sandbox);
    return sandbox;
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

  private note(call: string): void {
    if (this.failure) throw this.failure;
    this.calls.push(call);
  }
}

function missing(what: string): never {
  throw new OpenComputerError("not_found", `${what} not found`);
}
