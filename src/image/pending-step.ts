import { NO_DIGEST } from "./digest";
import type { DirEntry } from "./image-manifest";
import type { ImageSize } from "./image-size";
import { type BlobSource, type LocalFiles, toBlobSource } from "./local-files";
import type { ReportProblem } from "./local-problems";
import { isOutput, OUTPUT_ADVICE } from "./output";
import { isExecutable } from "./ownership";
import { parseDirOptions, parseFileOptions, parseStartOptions } from "./parse-options";
import { type LocalPath, type Place, toPlace } from "./place";
import { withMode } from "./steps/add-dir";
import { toDirContent } from "./tree";

/** What a program asked for, as it came; local files are read when the image is resolved, not before. */
export type PendingStep =
  | { readonly type: "plain"; readonly step: { readonly type: string; readonly args: object } }
  | { readonly type: "start_command"; readonly command: unknown; readonly options: unknown }
  | { readonly type: "content"; readonly target: Target; readonly content: unknown }
  | { readonly type: "local_file"; readonly target: Target; readonly local: LocalPath | undefined }
  | { readonly type: "local_dir"; readonly target: Target; readonly local: LocalPath | undefined };

/** Where something is to go, and how. */
interface Target {
  readonly path: string;
  readonly options: unknown;
}

/** A step as the manifest has it, and where the bytes of its files are. */
export interface ResolvedStep {
  /** Not checked yet: the manifest's schema does that for all steps together. */
  readonly step: { readonly type: string; readonly args: object };
  readonly sources: readonly BlobSource[];
}

/** What the files of all steps are read and counted with. */
export interface Intake {
  readonly files: LocalFiles;
  readonly size: ImageSize;
}

/** Reads what a step names on this machine. What cannot be had is reported, and the step goes on without it. */
export function resolveStep(pending: PendingStep, { files, size }: Intake, report: ReportProblem): ResolvedStep {
  switch (pending.type) {
    case "plain":
      return { step: pending.step, sources: [] };
    case "start_command": {
      const args = { command: pending.command, ...parseStartOptions(pending.options, report) };
      return { step: { type: "start_command", args: withoutUndefined(args) }, sources: [] };
    }
    case "content": {
      const { target, content } = pending;
      const place = toPlace(target.path, parseFileOptions(target.options, report));
      return toFileStep(place, readContent(place, content, size, report), false);
    }
    case "local_file": {
      const { target, local } = pending;
      const place = toPlace(target.path, parseFileOptions(target.options, report));
      const file = local ? files.readFile(local.path, local.label, report) : reportNoPath(report);
      return toFileStep(place, file?.source, file?.executable ?? false);
    }
    case "local_dir": {
      const { target, local } = pending;
      const { mode, owner, ...options } = parseDirOptions(target.options, report);
      const dir = local ? files.readDir(local.path, local.label, options, report) : reportNoPath(report);
      return toDirStep(toPlace(target.path, { mode, owner }), dir?.entries ?? [], dir?.sources ?? []);
    }
  }
}

/** A member that is not given is absent: it is hashed where it stands. */
function withoutUndefined(args: object): object {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
}

function reportNoPath(report: ReportProblem): undefined {
  report(`the local path must be a string, and not empty; say "." for the current directory`);
}

function readContent(place: Place, content: unknown, size: ImageSize, report: ReportProblem): BlobSource | undefined {
  const what = `the content of ${place.path}`;
  if (typeof content === "string" || content instanceof Uint8Array) {
    const source = toBlobSource(content, what);
    size.take(source.label, [{ path: "", sizeBytes: source.sizeBytes }]);
    return source;
  }
  const kind = isOutput(content) ? OUTPUT_ADVICE : `not ${content === null ? "null" : typeof content}`;
  report(`${what} must be a string or bytes, ${kind}`);
  return undefined;
}

function toFileStep(place: Place, source: BlobSource | undefined, executable: boolean): ResolvedStep {
  const args = { ...place, digest: source?.digest ?? NO_DIGEST, executable: isExecutable(place, executable) };
  return { step: { type: "add_file", args }, sources: source ? [source] : [] };
}

function toDirStep(place: Place, entries: readonly DirEntry[], sources: readonly BlobSource[]): ResolvedStep {
  const { args, tree } = toDirContent(withMode(entries, place.mode));
  const step = { type: "add_dir", args: { ...place, ...args } };
  return { step, sources: tree ? [...sources, toBlobSource(tree.bytes, `the list of ${place.path}`)] : sources };
}
