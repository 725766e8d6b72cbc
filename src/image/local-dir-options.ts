/** Which files of a local directory are added. */
export interface LocalDirOptions {
  /** What stays out, in gitignore syntax, beside what the directory's own ignore file says. Default: nothing. */
  readonly ignore?: readonly string[];
  /** What is added although other rules leave it out, in gitignore syntax. Default: nothing. */
  readonly include?: readonly string[];
  /**
   * Takes what links lead to where they lead out of the directory, instead of refusing them. Links that stay inside it
   * are links in the image, too. Default: false.
   */
  readonly followSymlinks?: boolean;
}
