import { isOpenComputerError } from "../../src/errors";
import { readConfig } from "../config";
import { type CheckFailure, hasUnknown, type Properties } from "../context";
import { problemsOf } from "./problems";
import { type Decoded, encode } from "./property-values";

/** What may hold a key: secret in the state, however the program spelled it. */
const SECRETS = [["apiKey"], ["endpoints"]];

/** Checks the provider's configuration as far as it is known, and reports all that is wrong with it. */
export function checkConfig({ values, secrets }: Decoded): {
  inputs: Properties;
  failures: readonly CheckFailure[];
} {
  const inputs = encode(values, [...SECRETS, ...secrets]);
  try {
    readConfig((key) => (hasUnknown(values[key]) ? undefined : values[key]));
    return { inputs, failures: [] };
  } catch (error) {
    if (!isOpenComputerError(error, "invalid_input")) throw error;
    return { inputs, failures: problemsOf(error).map(({ path, message }) => ({ property: path, reason: message })) };
  }
}
