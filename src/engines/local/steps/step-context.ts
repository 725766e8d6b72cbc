import type { Readable } from "node:stream";
import type { OpenedBlob } from "../../engine";

/** What a step works with: a fresh container over the layers of the steps before it. */
export interface StepContext {
  /** Environment of the `env` steps so far. */
  readonly env: Readonly<Record<string, string>>;
  /** Directory of the last `workdir` step; null where there was none. */
  readonly workdir: string | null;
  /** Runs a command as root, its output going to the build log line by line. Returns its exit code. */
  run(command: StepCommand): Promise<number>;
  /** Runs a short command of ours and returns what it printed. @throws build_failed where it fails */
  ask(argv: readonly [string, ...string[]], stdin?: Readable): Promise<string>;
  /** Fires when nobody waits for the step any more. */
  readonly signal: AbortSignal;
  /** Whether the step was given what earlier ones downloaded: apt's lists, or pip's responses. */
  readonly wasLent: boolean;
  /**
   * Puts a package that an earlier step downloaded into this one's archives, below `DOWNLOADS_INSIDE`, under this name.
   * False where there is none of that SHA-256.
   */
  lendArchive(name: string, sha256: string): Promise<boolean>;
  /** Notes apt's lists as they are, before anything is installed; others are not kept for later steps. */
  sealLists(): Promise<void>;
  /** Says that pip ran code of a package, which may have written responses: none of them is kept. */
  distrustResponses(): void;
  /** Opens the bytes of a digest. @throws blob_missing */
  readonly openBlob: (digest: string) => Promise<OpenedBlob>;
  /** Says something in the build log. */
  readonly log: (message: string) => void;
  /** Makes the failure of this step. */
  fail(what: string, exitCode: number): Error;
}

export interface StepCommand {
  readonly argv: readonly [string, ...string[]];
  /** The environment; that of the image only where it is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the root directory. */
  readonly cwd?: string;
  readonly stdin?: Readable;
  /** Sees each line of output first; false keeps it out of the log. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => boolean;
}
