import { posix } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  BuildRequest,
  Checkpoint,
  CheckpointKind,
  Engine,
  EngineInfo,
  EngineSandboxStatus,
  ExecOutcome,
  ExecSpec,
  Execution,
  FileEntry,
  Hibernated,
  SandboxSpec,
  StartOptions,
  TakenCheckpoint,
} from "../../src/engines/engine";
import { OpenComputerError } from "../../src/errors";
import { stepKeys } from "../../src/image/hash";
import type { ImageManifest, Step } from "../../src/image/image-manifest";
import { summariseStep } from "../../src/image/step";

/**
 * A test double, not an engine: layers are keys in a set, a sandbox is a map of files, and commands are the handful of
 * {@link runBuiltin}. It keeps the promises of `Engine` that the server relies on, so that the server's own logic can be
 * tested without containers; what containers do is tested on real ones.
 *
 * In `run` steps these commands mean something: `fail`, `print TEXT`, and `wait NAME`, which waits for {@link release}.
 */
export class MemoryEngine implements Engine {
  readonly name = "memory";
  baseDigest = "b".repeat(64);
  /** Every step that was run, in order. */
  readonly stepsRun: string[] = [];
  buildsRun = 0;
  /** How many builds run now. */
  building = 0;
  /** The most builds that ran at the same time. */
  buildsAtOnce = 0;
  readonly layers = new Set<string>();
  readonly sandboxes = new Map<string, MemorySandbox>();
  /** How many commands were ended by a signal. */
  commandsKilled = 0;
  started: StartOptions | undefined;
  /** Set to make the next createSandbox fail. */
  failCreate: Error | undefined;
  /** Set to make creates wait for {@link release} of this name. */
  holdCreates: string | undefined;
  /** Set to make creates tell that the first process runs before they wait. */
  bootsAtOnce = false;
  checkpointKinds: readonly CheckpointKind[] = ["disk_only"];
  /** Every checkpoint, restore, hibernation and wake that was begun, in order. */
  readonly transitions: `${Transition} ${string}`[] = [];
  /** Set to make transitions fail. */
  readonly failures: { [transition in Transition]?: Error } = {};
  /** Set to make transitions wait for {@link release} of this name. */
  readonly holds: { [transition in Transition]?: string } = {};
  /** Why sandboxes are gone that nobody stopped. */
  readonly stopReasons = new Map<string, string>();
  /** What checkpoints kept, by the layer that they added. */
  private readonly kept = new Map<string, ReadonlyMap<string, Buffer>>();
  private readonly gates = new Map<string, PromiseWithResolve>();

  async start(options: StartOptions): Promise<void> {
    this.started = options;
    options.onProgress("the memory engine has nothing to prepare");
    for (const id of this.sandboxes.keys()) if (!options.knownSandboxes.includes(id)) this.sandboxes.delete(id);
  }

  describe(): EngineInfo {
    const { baseDigest, checkpointKinds } = this;
    const kinds = { checkpointKinds, diskQuota: "none" } as const;
    return { engine: "memory", runtime: "none", runtimeVersion: "0", base: "nothing", baseDigest, ...kinds };
  }

  async plan(manifest: ImageManifest) {
    const keys = stepKeys(this.baseDigest, manifest.steps, "memory");
    const missing = keys.findIndex((key) => !this.layers.has(key));
    return { keys, cached: missing === -1 ? keys.length : missing };
  }

  async build(request: BuildRequest): Promise<Checkpoint> {
    this.buildsRun += 1;
    this.building += 1;
    this.buildsAtOnce = Math.max(this.buildsAtOnce, this.building);
    try {
      return await this.buildImage(request);
    } finally {
      // Cleaning up takes a real engine a while too.
      await sleep(5);
      this.building -= 1;
    }
  }

  private async buildImage(request: BuildRequest): Promise<Checkpoint> {
    const { manifest, onLog } = request;
    const { keys, cached } = await this.plan(manifest);
    onLog({ step: 0, type: "build", message: `${keys.length} steps, ${cached} of them built` });
    for (const [index, step] of manifest.steps.entries()) {
      if (index < cached) continue;
      await this.buildStep(step, index + 1, request);
      this.layers.add(keys[index] ?? "");
    }
    onLog({ step: keys.length + 1, type: "checkpoint", message: "done" });
    const env = Object.assign({}, ...manifest.steps.map((step) => (step.type === "env" ? step.args.vars : {})));
    const workdir = manifest.steps.findLast((step) => step.type === "workdir")?.args.path ?? null;
    return { layers: [this.baseDigest, ...keys], env, workdir };
  }

  async hasCheckpoint({ layers }: Checkpoint): Promise<boolean> {
    return layers.every((key) => key === this.baseDigest || this.layers.has(key));
  }

  async assertStartable(checkpoint: Checkpoint): Promise<void> {
    if (await this.hasCheckpoint(checkpoint)) return;
    throw new OpenComputerError("not_found", "the checkpoint is not on this machine");
  }

  async createSandbox(spec: SandboxSpec, signal: AbortSignal, onBooted = () => {}): Promise<void> {
    signal.throwIfAborted();
    if (this.failCreate) throw this.failCreate;
    this.sandboxes.set(spec.id, { spec, files: this.filesOf(spec.checkpoint), isAwake: true });
    if (this.bootsAtOnce) onBooted();
    if (this.holdCreates === undefined) return;
    try {
      await this.pass(this.holdCreates, signal);
    } catch (error) {
      this.sandboxes.delete(spec.id);
      throw error;
    }
  }

  async sandboxStatus(id: string): Promise<EngineSandboxStatus> {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) return "stopped";
    return sandbox.isAwake ? "running" : "hibernated";
  }

  async stopReason(id: string): Promise<string | null> {
    return this.stopReasons.get(id) ?? null;
  }

  async checkpoint(id: string, kind: CheckpointKind, signal: AbortSignal): Promise<TakenCheckpoint> {
    await this.begin("checkpoint", id, signal);
    if (!this.checkpointKinds.includes(kind)) throw new OpenComputerError("unsupported", `no ${kind} checkpoints`);
    const { spec, files } = this.findAny(id);
    const key = `checkpoint-${this.kept.size + 1}`;
    this.kept.set(key, new Map(files));
    this.layers.add(key);
    const checkpoint = { ...spec.checkpoint, layers: [...spec.checkpoint.layers, key] };
    const sizeBytes = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
    return { checkpoint: kind === "full" ? { ...checkpoint, memory: key } : checkpoint, sizeBytes };
  }

  async restore(spec: SandboxSpec, signal: AbortSignal): Promise<void> {
    try {
      await this.begin("restore", spec.id, signal);
    } catch (error) {
      this.sandboxes.delete(spec.id);
      throw error;
    }
    this.sandboxes.set(spec.id, { spec, files: this.filesOf(spec.checkpoint), isAwake: true });
  }

  async hibernate(id: string, signal: AbortSignal): Promise<Hibernated> {
    await this.begin("hibernate", id, signal);
    this.findAny(id).isAwake = false;
    return { kind: this.checkpointKinds.at(-1) ?? "disk_only", sizeBytes: 1 };
  }

  async wake({ id }: SandboxSpec, signal: AbortSignal): Promise<void> {
    await this.begin("wake", id, signal);
    this.findAny(id).isAwake = true;
  }

  async exec(id: string, spec: ExecSpec): Promise<Execution> {
    this.find(id);
    if (spec.cwd === "/missing") throw new OpenComputerError("invalid_input", "cwd is no directory: /missing");
    return runBuiltin(spec, () => {
      this.commandsKilled += 1;
    });
  }

  async readFile(id: string, path: string): Promise<Readable> {
    const bytes = this.find(id).files.get(path);
    if (bytes === undefined) throw new OpenComputerError("not_found", `no such file: ${path}`);
    return Readable.from([bytes]);
  }

  async writeFile(id: string, path: string, content: Readable): Promise<void> {
    this.find(id).files.set(path, await buffer(content));
  }

  async listFiles(id: string, path: string): Promise<FileEntry[]> {
    const names = [...this.find(id).files].filter(([file]) => posix.dirname(file) === path);
    return names
      .map(([file, bytes]) => ({
        ...{ name: posix.basename(file), path: file },
        ...{ isDir: bytes === DIRECTORY, sizeBytes: bytes.length },
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async makeDir(id: string, path: string): Promise<void> {
    this.find(id).files.set(path, DIRECTORY);
  }

  async removeFile(id: string, path: string): Promise<void> {
    const { files } = this.find(id);
    for (const file of files.keys()) if (file === path || file.startsWith(`${path}/`)) files.delete(file);
  }

  async destroySandbox(id: string): Promise<void> {
    this.sandboxes.delete(id);
  }

  async collect(live: readonly Checkpoint[]) {
    const needed = new Set(live.flatMap((checkpoint) => checkpoint.layers));
    for (const sandbox of this.sandboxes.values()) for (const key of sandbox.spec.checkpoint.layers) needed.add(key);
    const unneeded = [...this.layers].filter((key) => !needed.has(key));
    for (const key of unneeded) this.layers.delete(key);
    return { layers: unneeded.length, sizeBytes: 0 };
  }

  async verify() {
    return [];
  }

  async stop(): Promise<void> {}

  /** Lets every `wait NAME` go on, and creates that {@link holdCreates} holds, now and later. */
  release(name: string): void {
    this.gate(name).resolve();
  }

  private async buildStep(step: Step, number: number, request: BuildRequest): Promise<void> {
    const summary = summariseStep(step);
    request.onLog({ step: number, type: step.type, message: summary });
    this.stepsRun.push(summary);
    if (step.type === "add_file") await buffer((await request.openBlob(step.args.digest)).stream);
    if (step.type !== "run") return;
    for (const command of step.args.commands) await this.runStep(command, number, request);
  }

  private async runStep(command: string, number: number, { onLog, signal }: BuildRequest): Promise<void> {
    const [verb, ...words] = command.split(" ");
    const facts = { step: number, stepType: "run", summary: command, exitCode: 1, lastLines: ["it failed"] };
    if (verb === "fail") throw new OpenComputerError("build_failed", "step 1 failed", { details: facts });
    if (verb === "print") onLog({ step: number, type: "run", message: words.join(" "), stream: "stdout" });
    if (verb !== "wait") return;
    await this.pass(words[0] ?? "", signal);
  }

  /** Waits at a gate. @throws build_cancelled when the signal fires */
  private async pass(name: string, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      const stop = () => reject(new OpenComputerError("build_cancelled", "the build was cancelled"));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop, { once: true });
    });
    await Promise.race([this.gate(name).promise, aborted]);
  }

  private gate(name: string): PromiseWithResolve {
    const known = this.gates.get(name);
    if (known) return known;
    let resolve = () => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    const gate = { promise, resolve };
    this.gates.set(name, gate);
    return gate;
  }

  private async begin(transition: Transition, id: string, signal: AbortSignal): Promise<void> {
    this.transitions.push(`${transition} ${id}`);
    this.findAny(id);
    const hold = this.holds[transition];
    if (hold !== undefined) await this.pass(hold, signal);
    const failure = this.failures[transition];
    if (failure) throw failure;
  }

  private filesOf({ layers }: Checkpoint): Map<string, Buffer> {
    return new Map(this.kept.get(layers.at(-1) ?? ""));
  }

  private find(id: string): MemorySandbox {
    const found = this.findAny(id);
    if (found.isAwake) return found;
    throw new Error(`sandbox ${id} sleeps`);
  }

  private findAny(id: string): MemorySandbox {
    const found = this.sandboxes.get(id);
    if (found === undefined) throw new OpenComputerError("gone", `no sandbox ${id}`);
    return found;
  }
}

type Transition = "checkpoint" | "restore" | "hibernate" | "wake";

interface MemorySandbox {
  readonly spec: SandboxSpec;
  readonly files: Map<string, Buffer>;
  isAwake: boolean;
}

interface PromiseWithResolve {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

const DIRECTORY = Buffer.alloc(0);

/** `echo TEXT`, `env NAME`, `pwd`, `fail N`, `err TEXT`, `flood BYTES`, `sleep MS`; through `sh -c` or bare. */
function runBuiltin(spec: ExecSpec, onKill: () => void): Execution {
  const line = spec.argv[1] === "-c" ? (spec.argv[2] ?? "") : spec.argv.join(" ");
  const [verb = "", ...rest] = line.split(" ");
  const text = rest.join(" ");
  const over = new AbortController();
  const stdout: Readonly<Record<string, () => string>> = {
    echo: () => `${text}\n`,
    env: () => `${spec.env[text] ?? ""}\n`,
    pwd: () => `${spec.cwd ?? "/home/sandbox"}\n`,
    flood: () => "x".repeat(Number(text)),
  };
  const outcome = async (): Promise<ExecOutcome> => {
    if (verb !== "sleep") return { exitCode: verb === "fail" ? Number(text) : 0, timedOut: false };
    const limit = spec.timeoutMs > 0 ? spec.timeoutMs : Number.POSITIVE_INFINITY;
    const timedOut = Number(text) > limit;
    await sleep(Math.min(Number(text), limit), undefined, { signal: over.signal }).catch(() => {});
    return { exitCode: timedOut || over.signal.aborted ? -1 : 0, timedOut: timedOut && !over.signal.aborted };
  };
  return {
    stdout: Readable.from([Buffer.from(stdout[verb]?.() ?? "")]),
    stderr: Readable.from([Buffer.from(verb === "err" ? `${text}\n` : "")]),
    // A turn later than the streams, which deliver in their own.
    result: outcome().then((value) => sleep(5, value)),
    kill: async () => {
      onKill();
      over.abort();
    },
  };
}
