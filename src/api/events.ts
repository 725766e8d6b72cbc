/**
 * Server-sent events as OpenComputer's wire has them: `event: <name>`, one `data: <JSON>` line, a blank line; LF only.
 * The official clients split at blank lines and read nothing else, so the encoder keeps to exactly this.
 */

/** A comment that keeps proxies and read timeouts quiet; clients skip it. */
export const KEEPALIVE = ": keepalive\n\n";

/** Seconds between two signs of life on a quiet stream: the shortest read timeout of an official client is 30. */
export const KEEPALIVE_SECONDS = 15;

/** The events of a build: any number of `build_log`, then one `result` or `error`. */
export type BuildEventName = "build_log" | "result" | "error";

/**
 * One event as text. The data stands on one line, whatever is in it: JSON escapes line breaks.
 *
 * @example encodeEvent("error", { error: "no" }) // 'event: error\ndata: {"error":"no"}\n\n'
 */
export function encodeEvent(name: BuildEventName, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
