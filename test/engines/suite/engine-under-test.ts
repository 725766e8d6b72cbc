import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { BuildEvent, Checkpoint, Engine, ExecSpec, SandboxSpec } from "../../../src/engines/engine";
import { OpenComputerError } from "../../../src/errors";
import { digestOf } from "../../../src/image/hash";
import type { Step } from "../../../src/image/image-manifest";
import type { Outside } from "../../fixtures/outside";
import type { RegistryFixture } from "../../fixtures/registry";

/** An engine that the suite is run on. */
export interface EngineUnderTest {
  /** A new engine over the same state, as after a restart of the server. */
  readonly create: (options?: EngineOptions) => Engine;
  /** What the engine holds of the machine now, one line each: mounts, links, processes. */
  readonly holdings: () => string[];
  /** An address that answers sandboxes over HTTP. */
  readonly reachableUrl: () => string;
  /** Where packages come from. */
  readonly registry: () => RegistryFixture;
  /** A host beyond the machine; its name server is the one that the engine asks. */
  readonly outside: () => Outside;
  /** What using up memory or processes ends: the one process, or the sandbox with all of them. */
  readonly limitsEnd: "process" | "sandbox";
  /** It makes full checkpoints. */
  readonly keepsMemory: boolean;
}

export interface EngineOptions {
  /** Quota of steps, and of sandboxes that have none of their own. */
  readonly diskMB?: number;
  /** Private addresses and blocks that containers reach. */
  readonly reach?: readonly string[];
}

export interface Finished {
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** A started engine, and what nearly every test does with it. */
export class Bench {
  private current: Engine | undefined;
  private count = 0;
  private readonly blobs = new Map<string, Buffer>();
  readonly signal = new AbortController().signal;

  constructor(private readonly under: EngineUnderTest) {}

  get engine(): Engine {
    if (!this.current) throw new Error("the bench was not started");
    return this.current;
  }

  /** A new engine over the state that is there; one that was started before has stopped. */
  async start(knownSandboxes: readonly string[] = []): Promise<void> {
    this.current = this.under.create();
    await this.current.start({ knownSandboxes, onProgress: () => undefined, signal: this.signal });
  }

  blob(content: string | Buffer): string {
    const bytes = Buffer.from(content);
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  async build(
    steps: readonly Step[],
    options: { signal?: AbortSignal; stepTimeoutMs?: number; log?: BuildEvent[]; scope?: string } = {},
  ): Promise<Checkpoint> {
    return this.engine.build({
      manifest: { base: "base", steps: [...steps] },
      scope: options.scope ?? "suite",
      openBlob: async (digest) => {
        const bytes = this.blobs.get(digest);
        if (!bytes) throw new OpenComputerError("blob_missing", `no ${digest}`);
        return { sizeBytes: bytes.length, stream: Readable.from(bytes.length === 0 ? [] : [bytes]) };
      },
      onLog: (event) => options.log?.push(event),
      stepTimeoutMs: options.stepTimeoutMs ?? 120_000,
      signal: options.signal ?? this.signal,
    });
  }

  async sandbox(
    checkpoint?: Checkpoint,
    wishes: Partial<Pick<SandboxSpec, "memoryMB" | "cpuCount" | "diskMB" | "network">> = {},
  ): Promise<string> {
    this.count += 1;
    const id = `sb-suite-${process.pid}-${this.count}`;
    const spec = { id, checkpoint: checkpoint ?? (await this.build([])), memoryMB: 512, cpuCount: 1, ...wishes };
    await this.engine.createSandbox(spec, this.signal);
    return id;
  }

  async run(id: string, argv: readonly [string, ...string[]], spec: Partial<ExecSpec> = {}): Promise<Finished> {
    const defaults = { env: {}, cwd: null, user: "sandbox", timeoutMs: 30_000 } as const;
    const execution = await this.engine.exec(id, { ...defaults, ...spec, argv });
    const [stdout, stderr] = await Promise.all([textOf(execution.stdout), textOf(execution.stderr)]);
    return { ...(await execution.result), stdout, stderr };
  }

  async sh(id: string, script: string, spec: Partial<ExecSpec> = {}): Promise<Finished> {
    return this.run(id, ["sh", "-c", script], spec);
  }

  async write(id: string, path: string, content: string | Buffer): Promise<void> {
    await this.engine.writeFile(id, path, Readable.from([Buffer.from(content)]), this.signal);
  }

  async read(id: string, path: string): Promise<string> {
    return textOf(await this.engine.readFile(id, path, this.signal));
  }
}

/** A bench for the tests of one `describe`; what `sandbox` makes is gone after each test. */
export function useSandboxes(under: EngineUnderTest): { bench: Bench; sandbox: Bench["sandbox"] } {
  const bench = new Bench(under);
  const made: string[] = [];
  beforeAll(() => bench.start());
  afterEach(async () => {
    for (const id of made.splice(0)) await bench.engine.destroySandbox(id);
  });
  afterAll(() => bench.engine.stop());
  const sandbox: Bench["sandbox"] = async (...args) => {
    const id = await bench.sandbox(...args);
    made.push(id);
    return id;
  };
  return { bench, sandbox };
}

/** A bench for the tests of one `describe`, with one sandbox of the plain base. */
export function useBench(under: EngineUnderTest): { bench: () => Bench; id: () => string } {
  const bench = new Bench(under);
  let id: string;
  beforeAll(async () => {
    await bench.start();
    id = await bench.sandbox();
  });
  afterAll(async () => {
    await bench.engine.destroySandbox(id);
    await bench.engine.stop();
  });
  return { bench: () => bench, id: () => id };
}

export async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString("utf8");
}

export const run = (...commands: string[]): Step => ({ type: "run", args: { commands } });
export const env = (vars: Record<string, string>): Step => ({ type: "env", args: { vars } });
export const workdir = (path: string): Step => ({ type: "workdir", args: { path } });
