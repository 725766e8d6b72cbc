import { invalidInput, type Problem } from "../errors";
import { contentHash } from "./hash";
import type { DirEntry, ImageManifest } from "./image-manifest";
import { ImageSize } from "./image-size";
import type { LocalDirOptions } from "./local-dir-options";
import { type BlobSource, type LocalFiles, openLocalFiles, toBlobSource } from "./local-files";
import { manifestSchema, toProblems } from "./manifest";
import { type FileOptions, isExecutable, type LocalPath, type Place, toLocalPath, toPlace } from "./place";
import { inWords } from "./problem-words";
import { toDirContent } from "./tree";

/** What the program asked for; local files are read when the image is resolved, not before. */
type PendingStep =
  | { readonly type: "plain"; readonly step: { readonly type: string; readonly args: object } }
  | { readonly type: "content"; readonly place: Place; readonly content: string | Uint8Array }
  | { readonly type: "local_file"; readonly place: Place; readonly local: LocalPath }
  | { readonly type: "local_dir"; readonly place: Place; readonly local: LocalPath; readonly options: LocalDirOptions };

/** An image that is fully known: its manifest, its identity, and where the bytes of its files are. */
export interface ResolvedImage {
  readonly manifest: ImageManifest;
  /** 64 hex digits. */
  readonly contentHash: string;
  readonly findBlob: (digest: string) => BlobSource | undefined;
}

const BRAND = Symbol.for("pulumi-opencomputer.image");
/** Stands where a file could not be read, so that the other steps are checked too. */
const UNREADABLE = `sha256:${"0".repeat(64)}`;

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

  /** Puts a file with this content into the image; text is written as UTF-8. `remotePath` is absolute. */
  addFile(remotePath: string, content: string | Uint8Array, options: FileOptions = {}): Image {
    return this.with({ type: "content", place: toPlace(remotePath, options), content: copy(content) });
  }

  /** Puts a local file into the image. Its executable bit is kept; a relative path starts at the current directory. */
  addLocalFile(localPath: string, remotePath: string, options: FileOptions = {}): Image {
    return this.with({ type: "local_file", place: toPlace(remotePath, options), local: toLocalPath(localPath) });
  }

  /**
   * Puts a local directory into the image: files with their executable bit, links that stay inside it, empty directories.
   * A relative path starts at the current directory. `.git` stays out, and what an `.opencomputerignore` (or else a
   * `.dockerignore`) in the directory says; see docs/manifest.md.
   */
  addLocalDir(localPath: string, remotePath: string, options: LocalDirOptions & FileOptions = {}): Image {
    const { mode, owner, ...rest } = options;
    const copied = { ...rest, ignore: copy(rest.ignore), include: copy(rest.include) };
    const place = toPlace(remotePath, { mode, owner });
    return this.with({ type: "local_dir", place, local: toLocalPath(localPath), options: copied });
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
    if (!parsed.success || problems.length > 0) throw invalidInput("the image", problems);
    return { manifest: parsed.data, contentHash: contentHash(parsed.data), findBlob: (digest) => blobs.get(digest) };
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

interface ResolvedStep {
  /** Not checked yet: the manifest's schema does that for all steps together. */
  readonly step: { readonly type: string; readonly args: object };
  readonly sources: readonly BlobSource[];
}

/** What the files of all steps are read and counted with. */
interface Intake {
  readonly files: LocalFiles;
  readonly size: ImageSize;
}

function resolveStep(pending: PendingStep, { files, size }: Intake, report: (message: string) => void): ResolvedStep {
  switch (pending.type) {
    case "plain":
      return { step: pending.step, sources: [] };
    case "content":
      return resolveContent(pending.place, pending.content, size, report);
    case "local_file": {
      const file = files.readFile(pending.local.path, pending.local.label, report);
      return toFileStep(pending.place, file?.source, file?.executable ?? false);
    }
    case "local_dir": {
      const dir = files.readDir(pending.local.path, pending.local.label, pending.options, report);
      return toDirStep(pending.place, dir?.entries ?? [], dir?.sources ?? []);
    }
  }
}

function resolveContent(
  place: Place,
  content: unknown,
  size: ImageSize,
  report: (message: string) => void,
): ResolvedStep {
  if (typeof content === "string" || content instanceof Uint8Array) {
    const source = toBlobSource(content, `the content of ${place.path}`);
    size.take(source.label, [{ path: "", sizeBytes: source.sizeBytes }]);
    return toFileStep(place, source, false);
  }
  report(`the content of ${place.path} must be a string or bytes, not ${content === null ? "null" : typeof content}`);
  return toFileStep(place, undefined, false);
}

function toFileStep(place: Place, source: BlobSource | undefined, executable: boolean): ResolvedStep {
  const args = { ...place, digest: source?.digest ?? UNREADABLE, executable: isExecutable(place, executable) };
  return { step: { type: "add_file", args }, sources: source ? [source] : [] };
}

function toDirStep(place: Place, entries: readonly DirEntry[], sources: readonly BlobSource[]): ResolvedStep {
  const placed = entries.map((entry) =>
    entry.kind === "file" ? { ...entry, executable: isExecutable(place, entry.executable) } : entry,
  );
  const { args, tree } = toDirContent(placed);
  const step = { type: "add_dir", args: { ...place, ...args } };
  return { step, sources: tree ? [...sources, toBlobSource(tree.bytes, `the list of ${place.path}`)] : sources };
}

/** A copy that the caller cannot change afterwards; anything but an array, bytes or a map is left for the schema to refuse. */
function copy<T>(value: T): T {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as T & Uint8Array;
  if (Array.isArray(value)) return [...value] as T & unknown[];
  return typeof value === "object" && value !== null ? { ...value } : value;
}
