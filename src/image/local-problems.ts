/** Where problems go: the caller knows which step they belong to. */
export type ReportProblem = (message: string) => void;

/** Raised and caught while local files are read: something that is not taken, with the whole sentence to report. */
export class Refusal extends Error {}

/** Runs it; reports why it failed and returns undefined if it did. */
export function attempt<T>(label: string, report: ReportProblem, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    report(explain(label, error));
    return undefined;
  }
}

/** A sentence about a file that could not be read. */
export function explain(label: string, error: unknown): string {
  if (error instanceof Refusal) return error.message;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return `${label} does not exist (looked in ${process.cwd()})`;
  if (code === "EACCES") return `${label} cannot be read: permission denied`;
  if (code === "ELOOP") return `${label} is a link that leads to itself`;
  return `${label} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** What something is that is no file: for `… is a socket`. */
export function describeKind(stat: { isDirectory(): boolean; isSocket(): boolean; isFIFO(): boolean }): string {
  if (stat.isDirectory()) return "a directory";
  if (stat.isSocket()) return "a socket";
  return stat.isFIFO() ? "a pipe" : "a device";
}
