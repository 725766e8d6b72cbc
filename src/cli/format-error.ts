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

/** An error for people: what happened, then what to do. Stacks only when asked for. */
export function formatError(error: unknown, { verbose }: { readonly verbose: boolean }): string {
  const message = withoutLog(error, error instanceof Error ? error.message : String(error));
  const hint = findHint(error, message);
  const lines = [`error: ${withCode(message, error)}`, ...(hint ? [`hint: ${hint}`] : [])];
  if (verbose) lines.push(...stacks(error));
  return lines.join("\n");
}

/** An error for programs, in one line: some commands print a line of JSON each time. */
export function formatErrorJson(error: unknown): string {
  const known = isOpenComputerError(error);
  const message = error instanceof Error ? error.message : String(error);
  const { code, retryable, details } = known ? error : { code: "internal", retryable: false, details: {} };
  return JSON.stringify({ error: { code, message, retryable, details } });
}

/** At the end of the first line: what follows is a list or a log. */
function withCode(message: string, error: unknown): string {
  const code = isOpenComputerError(error) ? error.code : "internal";
  return message.replace(/:?(?=\n|$)/, (colon) => ` (${code})${colon}`);
}

/** The commands that build have printed the log by then, and its last lines stand in the message again. */
function withoutLog(error: unknown, message: string): string {
  const lines = isOpenComputerError(error, "build_failed") ? error.details["lastLines"] : undefined;
  const log = Array.isArray(lines) ? lines.map((line) => `\n  ${line}`).join("") : "";
  return log !== "" && message.endsWith(log) ? message.slice(0, -log.length) : message;
}

/** None where the message itself names a command to run. */
function findHint(error: unknown, message: string): string | undefined {
  if (!isOpenComputerError(error)) return HINTS.internal;
  if (typeof error.details["hint"] === "string") return error.details["hint"];
  if (message.includes("pulumi-opencomputer ")) return undefined;
  return (error.code === "not_found" && hintMissing(message)) || HINTS[error.code];
}

/** What `ls` does not show is elsewhere. */
function hintMissing(message: string): string | undefined {
  if (message.startsWith("build not found: ")) return "see what there is with: pulumi-opencomputer ls --builds";
  const name = /^snapshot not found: ([^@:\s]+)[@:]/.exec(message)?.[1];
  return name && `see its versions with: pulumi-opencomputer versions ${name}`;
}

function stacks(error: unknown): string[] {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) lines.push(at.stack ?? String(at));
  return lines;
}
