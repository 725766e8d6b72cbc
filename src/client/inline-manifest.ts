import type { ImageUpload } from "../api/contract";
import { invalidInput, OpenComputerError } from "../errors";
import { formatSize } from "../image/format-size";
import type { DirEntry, Step } from "../image/image-manifest";
import { describeLargest, sizeOf } from "../image/largest-paths";
import { addedFiles, entriesOf } from "../image/tree";
import { findSource, readSource } from "./blob-source";

/** Steps that only our servers know. */
const OURS: ReadonlySet<Step["type"]> = new Set(["start_command"]);

/** True where every server of the wire knows all steps, so that nobody needs to ask which one this is. */
export function isKnownToAll({ manifest }: ImageUpload): boolean {
  return manifest.steps.every(({ type }) => !OURS.has(type));
}

/** A third more in base64, which keeps a request below the 256 MiB that servers of this wire take. */
const MAX_INLINE_BYTES = 128 * 1024 * 1024;

/**
 * The manifest as the hosted service takes it: the bytes of files in base64 inside it. That form knows neither modes,
 * owners and executable bits nor links nor empty directories; what is lost is told in one warning.
 *
 * @throws unsupported for a step that only our servers know; invalid_input where the files are too large for a request;
 *   file_changed, blob_missing
 */
export async function inlineManifest(image: ImageUpload, onWarning: (message: string) => void): Promise<object> {
  assertKnown(image);
  await assertFits(image);
  const losses = await lossesOf(image);
  if (losses.length > 0) {
    onWarning(
      `this server takes no file uploads, so files are sent inside the image and it loses: ${losses.join("; ")}. Set those with runCommands instead.`,
    );
  }
  const steps = [];
  for (const step of image.manifest.steps) steps.push(await inlineStep(image, step));
  return { ...image.manifest, steps };
}

async function inlineStep(image: ImageUpload, step: Step): Promise<object> {
  switch (step.type) {
    case "add_file": {
      const content = await readBase64(image, step.args.digest);
      return { type: step.type, args: { path: step.args.path, content, encoding: "base64" } };
    }
    case "add_dir": {
      const files = [];
      for (const entry of await entriesOf(step.args, (digest) => readSource(image, digest))) {
        if (entry.kind !== "file") continue;
        files.push({ relativePath: entry.path, content: await readBase64(image, entry.digest) });
      }
      return { type: step.type, args: { path: step.args.path, files } };
    }
    default:
      return step;
  }
}

async function readBase64(image: ImageUpload, digest: string): Promise<string> {
  return (await readSource(image, digest)).toString("base64");
}

/** @throws unsupported */
function assertKnown({ manifest }: ImageUpload): void {
  const at = manifest.steps.findIndex(({ type }) => OURS.has(type));
  if (at < 0) return;
  throw new OpenComputerError(
    "unsupported",
    `this server does not know startCommand (step ${at + 1} of the image); leave it out and start the service with exec.run, or use the server that this package brings`,
    { details: { step: at + 1, stepType: manifest.steps[at]?.type } },
  );
}

/**
 * Refuses before anything is read what would not fit into one request, and names what weighs most.
 *
 * @throws invalid_input
 */
async function assertFits(image: ImageUpload): Promise<void> {
  const added = (await addedFiles(image.manifest, (digest) => readSource(image, digest))).map(({ path, files }) => ({
    path,
    files: files.map((file) => ({ path: file.path, sizeBytes: findSource(image, file.digest).sizeBytes })),
  }));
  const sizeBytes = sizeOf(added.flatMap(({ files }) => files));
  if (sizeBytes <= MAX_INLINE_BYTES) return;
  const message =
    `its files have ${formatSize(sizeBytes)}; this server takes no file uploads, and a request has room for ` +
    `${formatSize(MAX_INLINE_BYTES)}. ${describeLargest(added, sizeOf, formatSize)}. Leave them out with the option ignore, or fetch ` +
    "them with runCommands";
  throw invalidInput("the image", [{ path: "steps", message }]);
}

type Loss = "the executable bit of" | "the modes of" | "the owners of" | "the links" | "the empty directories";

async function lossesOf(image: ImageUpload): Promise<string[]> {
  const lost = new Map<Loss, string[]>();
  const note = (loss: Loss, path: string) => lost.set(loss, [...(lost.get(loss) ?? []), path]);
  const noteEntry = (path: string, entry: DirEntry) => {
    if (entry.kind === "link") note("the links", path);
    else if (entry.kind === "dir") note("the empty directories", path);
    else if (entry.executable) note("the executable bit of", path);
  };
  for (const { type, args } of image.manifest.steps) {
    if (type !== "add_file" && type !== "add_dir") continue;
    if (args.mode !== undefined) note("the modes of", args.path);
    if (args.owner !== undefined) note("the owners of", args.path);
    if (type === "add_file" && args.executable) note("the executable bit of", args.path);
    if (type !== "add_dir") continue;
    for (const entry of await entriesOf(args, (digest) => readSource(image, digest))) {
      noteEntry(`${args.path}/${entry.path}`, entry);
    }
  }
  return [...lost].map(([loss, paths]) => `${loss} ${firstOf(paths)}`);
}

/** Three names are enough to recognise what is meant. */
function firstOf(paths: readonly string[]): string {
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : "";
  return `${paths.slice(0, 3).join(", ")}${more}`;
}
