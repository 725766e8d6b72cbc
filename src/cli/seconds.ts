import { InvalidArgumentError } from "commander";

/** A number of seconds on the command line, also a part of one. */
export function parseSeconds(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a number of seconds, 0 or more.");
}

/** Seconds where the server counts whole ones. */
export function parseWholeSeconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of seconds, 0 or more.");
}
