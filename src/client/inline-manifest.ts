import type { ImageUpload } from "../api/contract";
import type { DirEntry, Step } from "../image/image-manifest";
import { entriesOf } from "../image/tree";
import { readSource } from "./blob-source";

/**
 * The manifest as the hosted service takes it: the bytes of files in base64 inside it. That form knows neither
 * executable bits nor links nor empty directories; what is lost is told in one warning.
 *
 * @throws file_changed, blob_missing
 */
export async function inlineManifest(image: ImageUpload, onWarning: (message: string) => void): Promise<object> {
  const losses = await lossesOf(image);
  if (losses.length > 0) {
    onWarning(
      `this server takes no file uploads, so files are sent inside the image and it loses: ${losses.join("; ")}. Set modes and links with runCommands instead.`,
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

async function lossesOf(image: ImageUpload): Promise<string[]> {
  const executables: string[] = [];
  const links: string[] = [];
  const emptyDirs: string[] = [];
  const note = (root: string, entry: DirEntry) => {
    const path = `${root}/${entry.path}`;
    if (entry.kind === "link") links.push(path);
    else if (entry.kind === "dir") emptyDirs.push(path);
    else if (entry.executable) executables.push(path);
  };
  for (const step of image.manifest.steps) {
    if (step.type === "add_file" && step.args.executable) executables.push(step.args.path);
    if (step.type !== "add_dir") continue;
    for (const entry of await entriesOf(step.args, (digest) => readSource(image, digest))) note(step.args.path, entry);
  }
  return [
    ...name("the executable bit of", executables),
    ...name("the links", links),
    ...name("the empty directories", emptyDirs),
  ];
}

/** Three names are enough to recognise what is meant. */
function name(what: string, paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : "";
  return [`${what} ${paths.slice(0, 3).join(", ")}${more}`];
}
