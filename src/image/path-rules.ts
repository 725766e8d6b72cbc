/** Rules that tell paths of a tree apart, in whatever syntax they were written. */
export interface PathRules {
  /** Whether the rules match a path, by itself or through a directory above it. */
  readonly match: (path: string, isDirectory: boolean) => boolean;
  /** Where below a matched directory something may not match after all: see {@link literalPrefix}. */
  readonly exceptions: readonly string[];
}

/** The directories with which all paths that match a pattern begin: `a/b` for `a/b/*.txt`, nothing for `*.txt`. */
export function literalPrefix(pattern: string): string {
  const parts = pattern.split("/");
  const wild = parts.findIndex((part) => /[*?[\\]/.test(part));
  return (wild < 0 ? parts : parts.slice(0, wild)).join("/");
}

/** Whether a path with this prefix may lie in the directory, or under a match above it. */
export function reachesInto(prefix: string, directory: string): boolean {
  return prefix === "" || `${prefix}/`.startsWith(`${directory}/`) || directory.startsWith(`${prefix}/`);
}

/** The text as a regular expression that matches only it. */
export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
