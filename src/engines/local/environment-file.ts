/**
 * `/etc/environment` as pam_env(8) reads it: `NAME="value"`, one a line. Everything between the first and the last quote
 * is the value; nothing is escaped, so a value with a line end cannot stand there, nor one that would make a line longer
 * than PAM reads.
 */

const MAX_LINE_BYTES = 1000;

/** The file with these variables set; those that it cannot hold are taken out, so that no stale value stays. */
export function withEnvironment(content: string, vars: Readonly<Record<string, string>>): string {
  const kept = content.split("\n").filter((line) => line.trim() !== "" && !(nameOf(line) in vars));
  const added = Object.entries(vars)
    .map(([name, value]) => `${name}="${value}"`)
    .filter(canStand);
  return [...kept, ...added].map((line) => `${line}\n`).join("");
}

function nameOf(line: string): string {
  return /^\s*(?:export\s+)?([^=\s#]+)\s*=/.exec(line)?.[1] ?? "";
}

/** PAM takes a `#` for the start of a comment, wherever it stands, and a backslash at the end joins lines. */
function canStand(line: string): boolean {
  return !/[\r\n#]/.test(line) && Buffer.byteLength(line) <= MAX_LINE_BYTES;
}
