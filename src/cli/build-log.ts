import type { BuildLogEvent } from "../api/records";

/** One line of a build for people: what a command printed is indented below its step. */
export function formatBuildLog(event: BuildLogEvent): string {
  return event.stream ? `    ${event.message}` : event.message;
}
