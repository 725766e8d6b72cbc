import { resolve } from "node:path";

/** Whose the added files are in the image, and what may be done with them. */
export interface FileOptions {
  /**
   * Permission bits, 0o640 or "0640"; directories that are added get x wherever they have r.
   * Default: 0644, or 0755 for what is executable.
   */
  readonly mode?: number | string;
  /** `user`, `user:group`, `uid` or `uid:gid`. Default: the owner of the directory that the files are put into. */
  readonly owner?: string;
}

/** Where something goes in the image, and as what. */
export interface Place {
  readonly path: string;
  readonly mode?: string;
  readonly owner?: string;
}

/** A path as the user wrote it, and what it means whatever the current directory is later. */
export interface LocalPath {
  readonly label: string;
  readonly path: string;
}

/** The place that a program names; whether it makes sense is for the manifest's schema to say. */
export function toPlace(path: string, { mode, owner }: FileOptions): Place {
  const bits = typeof mode === "number" ? toBits(mode) : mode;
  return { path, ...(bits === undefined ? {} : { mode: bits }), ...(owner === undefined ? {} : { owner }) };
}

/**
 * Four octal digits; but `644` as it stands where somebody forgot the `0o`, which is no mode then. The octal digits of
 * such a number would be nonsense (01204, and 0620 for 400), and who wants them can write them as text.
 */
function toBits(mode: number): string {
  const isSlip = (/^[5-7][0-7]{2}$/.test(String(mode)) && mode > 0o777) || [400, 440, 444, 500].includes(mode);
  return isSlip ? String(mode) : mode.toString(8).padStart(4, "0");
}

/** Fixes what a relative path means now; undefined for what is no path. */
export function toLocalPath(label: unknown): LocalPath | undefined {
  return typeof label === "string" && label !== "" ? { label, path: resolve(label) } : undefined;
}
