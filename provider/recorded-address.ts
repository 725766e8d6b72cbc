import { isOpenComputerError, OpenComputerError } from "../src/errors";
import { endpointOf } from "./config";
import type { HandlerContext, Properties, ResourceHandlers } from "./context";

/**
 * Handlers that say why a server's address may be an old one: a destroy or a refresh runs no program, so it takes the
 * configuration that the last update recorded. An address that no configuration gave is found anew each time.
 */
export function withRecordedAddress(handlers: ResourceHandlers): ResourceHandlers {
  return {
    ...handlers,
    read: (context, id, outs) => handlers.read(context, id, outs).catch((error) => throwTold(error, context, outs)),
    delete: (context, id, outs) => handlers.delete(context, id, outs).catch((error) => throwTold(error, context, outs)),
  };
}

function throwTold(error: unknown, { config }: HandlerContext, { endpoint }: Properties): never {
  const { apiUrl } = endpointOf(config, typeof endpoint === "string" ? endpoint : undefined);
  if (apiUrl === undefined || !isOpenComputerError(error, "unavailable")) throw error;
  const { code, message, details, retryable } = error;
  throw new OpenComputerError(code, `${message}\n${ADVICE}`, { details, retryable, cause: error });
}

const ADVICE =
  "destroy and refresh use the address that the last update recorded: where you have corrected it since, run pulumi up first";
