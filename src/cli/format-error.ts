import { type ErrorCode, isOpenComputerError } from "../errors";

const HINTS: Partial<Readonly<Record<ErrorCode, string>>> = {
  unauthorized:
    "set OPENCOMPUTER_API_KEY to the server's key, or unset OPENCOMPUTER_API_URL to use the embedded server",
  unavailable: "see whether it runs with: pulumi-opencomputer status",
  not_found: "see what there is with: pulumi-opencomputer ls",
  requirement_missing: "see what is missing with: pulumi-opencomputer doctor",
  file_changed: "run again when nothing writes to the file",
  internal: "run again with --verbose and report it",
};

/** An error for people: what happened, the last lines of a failed step, then what to do. Stacks only when asked for. */
export function formatError(error: unknown, { verbose }: { readonly verbose: boolean }): string {
  const message = error instanceof Error ? error.message : String(error);
  const lines = [`error: ${message}`, ...lastLines(error, message)];
  const hint = isOpenComputerError(error) ? HINTS[error.code] : HINTS.internal;
  if (hint) lines.push(`hint: ${hint}`);
  if (verbose) lines.push(...stacks(error));
  return lines.join("\n");
}

/** What the failed command said, unless the message has it already. */
function lastLines(error: unknown, message: string): string[] {
  const lines = isOpenComputerError(error, "build_failed") ? error.details["lastLines"] : undefined;
  if (!Array.isArray(lines)) return [];
  return lines
    .map(String)
    .filter((line) => !message.includes(line))
    .map((line) => `  ${line}`);
}

function stacks(error: unknown): string[] {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) lines.push(at.stack ?? String(at));
  return lines;
}
