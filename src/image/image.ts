import type { Problem } from "../errors";
import { contentHash } from "./hash";
import type { ImageManifest, StartCommandOptions } from "./image-manifest";
import { invalidImage } from "./image-problems";
import { ImageSize } from "./image-size";
import type { LocalDirOptions } from "./local-dir-options";
import { type BlobSource, openLocalFiles } from "./local-files";
import { manifestSchema, toProblems } from "./manifest";
import { isOutput } from "./output";
import { type PendingStep, type ResolvedStep, resolveStep } from "./pending-step";
import { type FileOptions, toLocalPath } from "./place";
import { inWords } from "./problem-words";

/** An image that is fully known: its manifest, its identity, and where the bytes of its files are. */
export interface ResolvedImage {
  readonly manifest: ImageManifest;
  /** 64 hex digits. */
  readonly contentHash: string;
  readonly findBlob: (digest: string) => BlobSource | undefined;
}

const BRAND = Symbol.for("pulumi-opencomputer.image");

/**
 * What a sandbox starts with, as a value: every method returns a new image and leaves this one as it is. Nothing is read,
 * checked or built until somebody asks ({@link Image.resolve}, {@link Image.toJSON}, {@link Image.cacheKey}, a snapshot, a sandbox);
 * then every problem of every step is reported at once.
 *
 * @example
 * const image = Image.base()
 *   .aptInstall(["jq"])
 *   .pipInstall(["pandas"])
 *   .addLocalDir("./agent", "/workspace/agent")
 *   .env({ STAGE: "prod" })
 *   .workdir("/workspace");
 * image.cacheKey(); // 64 hex digits, the same on every machine
 */
export class Image {
  private constructor(
    private readonly steps: readonly PendingStep[],
    private readonly memoryMB: number | undefined,
  ) {
    Object.defineProperty(this, BRAND, { value: true });
    Object.freeze(steps);
    Object.freeze(this);
  }

  /** The default environment: Ubuntu 22.04 where it can be had, with Python, Node.js, build tools and common utilities. */
  static base(): Image {
    return new Image([], undefined);
  }

  /** Installs system packages with apt-get: `jq`, or with a version, `jq=1.6-2.1`. */
  aptInstall(packages: readonly string[]): Image {
    return this.withStep("apt_install", { packages: copy(packages) });
  }

  /** Installs Python packages with pip: `pandas`, or any requirement, `pandas>=2,<3`. */
  pipInstall(packages: readonly string[]): Image {
    return this.withStep("pip_install", { packages: copy(packages) });
  }

  /**
   * Runs shell commands as root, in one `/bin/sh`: `cd` and shell variables last from one to the next of this call. The
   * first that fails fails the build.
   */
  runCommands(...commands: readonly string[]): Image {
    return this.withStep("run", { commands: copy(commands) });
  }

  /** Sets environment variables for later steps and for everything that runs in a sandbox. Not for secrets: they stay in the image. */
  env(vars: Readonly<Record<string, string>>): Image {
    return this.withStep("env", { vars: copy(vars) });
  }

  /** Makes a directory and starts later steps and every command of a sandbox in it. Absolute. */
  workdir(path: string): Image {
    return this.withStep("workdir", { path });
  }

  /**
   * Starts a service in every sandbox of the image, so that it runs from the sandbox's first moment on: as user `sandbox`, in
   * the image's environment and working directory, with `/bin/sh -c`. Where the engine can keep memory, the build starts it
   * once and sandboxes go on from there; elsewhere each sandbox starts it and waits until it is ready. A service that
   * fails or does not become ready in time fails the build. The last step of an image; no other may follow.
   *
   * @param options `readyCommand` is repeated until it exits with 0 (default: ready as soon as it was started);
   *   `readyTimeoutSeconds`, 1 to 3600, limits that (default 60)
   * @example
   * Image.base()
   *   .addLocalDir("./agent", "/workspace/agent")
   *   .startCommand("python3 -m http.server 8000", { readyCommand: "curl -sf localhost:8000" });
   */
  startCommand(command: string, options: StartCommandOptions = {}): Image {
    return this.with({ type: "start_command", command, options: copy(options) });
  }

  /** Puts a file with this content into the image; text is written as UTF-8. `remotePath` is absolute. */
  addFile(remotePath: string, content: string | Uint8Array, options: FileOptions = {}): Image {
    const target = { path: remotePath, options: copyOptions(options) };
    return this.with({ type: "content", target, content: copy(content) });
  }

  /** Puts a local file into the image. Its executable bit is kept; a relative path starts at the current directory. */
  addLocalFile(localPath: string, remotePath: string, options: FileOptions = {}): Image {
    const target = { path: remotePath, options: copyOptions(options) };
    return this.with({ type: "local_file", target, local: toLocalPath(localPath) });
  }

  /**
   * Puts a local directory into the image: files with their executable bit, links that stay inside it, empty directories.
   * A relative path starts at the current directory. `.git` stays out, and what an `.opencomputerignore` (or else a
   * `.dockerignore`) in the directory says; see docs/manifest.md.
   */
  addLocalDir(localPath: string, remotePath: string, options: LocalDirOptions & FileOptions = {}): Image {
    const target = { path: remotePath, options: copyOptions(options) };
    return this.with({ type: "local_dir", target, local: toLocalPath(localPath) });
  }

  /** Memory of the build sandbox in MiB (256 to 262,144). Default: the server's. Not part of the image's identity. */
  builderMemory(memoryMB: number): Image {
    return new Image(this.steps, memoryMB);
  }

  /**
   * The manifest as plain data, with files by digest. Reads local files.
   *
   * @throws invalid_input listing every problem of every step
   */
  toJSON(): ImageManifest {
    return this.resolve().manifest;
  }

  /**
   * The image's identity: 64 hex digits, the same on every machine for the same image (docs/manifest.md).
   *
   * @throws invalid_input listing every problem of every step
   */
  cacheKey(): string {
    return this.resolve().contentHash;
  }

  /**
   * Reads local files, checks everything and returns manifest, identity and sources of bytes.
   *
   * @throws invalid_input listing every problem of every step
   */
  resolve(): ResolvedImage {
    const problems: Problem[] = [];
    const blobs = new Map<string, BlobSource>();
    const size = new ImageSize();
    const resolved = this.resolveSteps(size, (index, message) => problems.push({ path: `steps[${index}]`, message }));
    problems.push(...size.problems().map((message) => ({ path: "steps", message })));
    for (const source of resolved.flatMap(({ sources }) => sources)) blobs.set(source.digest, source);
    const steps = resolved.map(({ step }) => step);
    const memory = this.memoryMB === undefined ? {} : { builderMemoryMB: this.memoryMB };
    const input = { base: "base", steps, ...memory };
    const parsed = manifestSchema.safeParse(input, inWords);
    if (!parsed.success) problems.push(...toProblems(parsed.error, input));
    if (!parsed.success || problems.length > 0) throw invalidImage("the image", problems, steps);
    const manifest = parsed.data;
    return {
      manifest,
      // Computed for those who ask: a program with hundreds of snapshots leaves it to the provider.
      get contentHash() {
        return contentHash(manifest);
      },
      findBlob: (digest) => blobs.get(digest),
    };
  }

  private resolveSteps(size: ImageSize, report: (index: number, message: string) => void): ResolvedStep[] {
    const files = openLocalFiles(size);
    try {
      return this.steps.map((pending, index) =>
        resolveStep(pending, { size, files }, (message) => report(index, message)),
      );
    } finally {
      files.close();
    }
  }

  private withStep(type: string, args: object): Image {
    return this.with({ type: "plain", step: { type, args } });
  }

  private with(step: PendingStep): Image {
    return new Image([...this.steps, step], this.memoryMB);
  }
}

/** True for an {@link Image}, also one of another copy of this package. */
export function isImage(value: unknown): value is Image {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** A copy that the caller cannot change afterwards; what is neither array, bytes nor map is left for the schema to refuse. */
function copy<T>(value: T): T {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as T & Uint8Array;
  if (Array.isArray(value)) return [...value] as T & unknown[];
  return typeof value === "object" && value !== null && !isOutput(value) ? { ...value } : value;
}

/** Options hold lists. */
function copyOptions(options: unknown): unknown {
  const copied: unknown = copy(options);
  if (typeof copied !== "object" || copied === null || Array.isArray(copied)) return copied;
  return Object.fromEntries(Object.entries(copied).map(([name, value]) => [name, copy(value)]));
}
