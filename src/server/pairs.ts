import { invalidInput } from "../errors";

/**
 * Repeated query parameters of the form KEY=VALUE; a value may hold `=`.
 *
 * @throws invalid_input
 */
export function readPairs(parameter: string, texts: readonly string[]): [key: string, value: string][] {
  const bad = texts.find((text) => !text.includes("="));
  if (bad !== undefined) {
    throw invalidInput("the request", [{ path: parameter, message: `must be KEY=VALUE, not ${JSON.stringify(bad)}` }]);
  }
  return texts.map((text) => [text.replace(/=.*/s, ""), text.replace(/^[^=]*=/, "")]);
}
