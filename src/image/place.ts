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
  const bits = typeof mode === "number" ? mode.toString(8).padStart(4, "0") : mode;
  return { path, ...(bits === undefined ? {} : { mode: bits }), ...(owner === undefined ? {} : { owner }) };
}

/** Whether a file is executable there: a mode that is given decides, and then the local bit must not change the identity. */
export function isExecutable({ mode }: Place, local: boolean): boolean {
  return mode === undefined ? local : (Number.parseInt(mode, 8) & 0o100) !== 0;
}

/** Fixes what a relative path means now. */
export function toLocalPath(label: string): LocalPath {
  return { label, path: resolve(label) };
}
