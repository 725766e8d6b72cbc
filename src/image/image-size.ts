import { formatSize } from "./format-size";
import { describeLargest, type SizedFile, type SizedPath, sizeOf } from "./largest-paths";

const GIB = 1024 ** 3;

/** The largest file that an image takes: a shard of a large model fits. */
export const MAX_FILE_BYTES = 5 * GIB;
/** The most bytes that all files of an image may have together, each counted where it is put. */
export const MAX_IMAGE_BYTES = 10 * GIB;
/** The most files that an image takes. */
export const MAX_IMAGE_FILES = 100_000;

const ADVICE =
  "Leave out what the image does not need, with .opencomputerignore or the option ignore, " +
  "or fetch it from where it is kept with runCommands (docs/manifest.md)";

/**
 * How much the files of one image are, counted before they are read, so that nobody hashes or uploads for minutes what
 * is refused at the end.
 */
export class ImageSize {
  private readonly added: SizedPath[] = [];
  private readonly tooLarge: string[] = [];
  private sizeBytes = 0;
  private files = 0;

  /**
   * Counts what one step adds; false where the image has become too large by it, and reading it is not worth while.
   *
   * @param path what was added, as the user wrote it
   */
  take(path: string, files: readonly SizedFile[]): boolean {
    this.added.push({ path, files });
    this.sizeBytes += sizeOf(files);
    this.files += files.length;
    for (const file of files) {
      if (file.sizeBytes <= MAX_FILE_BYTES) continue;
      const name = file.path === "" ? path : `${path}/${file.path}`;
      this.tooLarge.push(
        `${name} has ${formatSize(file.sizeBytes)}, more than the ${formatSize(MAX_FILE_BYTES)} of a file. ${ADVICE}`,
      );
    }
    return this.tooLarge.length === 0 && this.sizeBytes <= MAX_IMAGE_BYTES && this.files <= MAX_IMAGE_FILES;
  }

  /** What is too large, each in a sentence that names the largest paths. */
  problems(): string[] {
    const found = [...this.tooLarge];
    if (this.sizeBytes > MAX_IMAGE_BYTES) {
      const what = `its files have ${formatSize(this.sizeBytes)}, more than the ${formatSize(MAX_IMAGE_BYTES)} of an image`;
      found.push(`${what}. ${describeLargest(this.added, sizeOf, formatSize)}. ${ADVICE}`);
    }
    if (this.files > MAX_IMAGE_FILES) {
      const what = `it has ${countFiles(this.files)}, more than the ${MAX_IMAGE_FILES} of an image`;
      found.push(`${what}. ${describeLargest(this.added, ({ length }) => length, countFiles)}. ${ADVICE}`);
    }
    return found;
  }
}

function countFiles(count: number): string {
  return count === 1 ? "1 file" : `${count} files`;
}
