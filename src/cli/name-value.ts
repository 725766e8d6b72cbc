import { InvalidArgumentError } from "commander";

/** Takes a `NAME=value` of the command line to those before it. The value may be empty and may hold `=`. */
export function addNameValue(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be NAME=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
