import type { ServerApi } from "../api/contract";
import { routes } from "../api/routes";
import { collectedSchema, imagePlanSchema, serverInfoSchema } from "../api/schemas";
import { createBuildCalls } from "./build-calls";
import { createCheckpointCalls } from "./checkpoint-calls";
import { createExecCalls } from "./exec-calls";
import { createFileCalls } from "./file-calls";
import { createSandboxCalls } from "./sandbox-calls";
import { createSnapshotCalls } from "./snapshot-calls";
import { createTransport, type TransportOptions } from "./transport";

export interface ClientOptions extends TransportOptions {
  /** Told what a server cannot take. Default: a Node.js process warning. */
  readonly onWarning?: (message: string) => void;
}

/**
 * The API of one server over HTTP. Nothing is sent until a function is called.
 *
 * @throws invalid_input where the URL is none
 * @example const api = createClient({ apiUrl: "http://127.0.0.1:8080", apiKey });
 *   await api.listSnapshots(); // []
 */
export function createClient(options: ClientOptions): ServerApi {
  const transport = createTransport(options);
  const onWarning = options.onWarning ?? ((message: string) => process.emitWarning(message, "OpenComputerWarning"));
  const sandboxes = createSandboxCalls(transport, onWarning);
  return {
    ...createSnapshotCalls(transport, onWarning),
    ...sandboxes,
    ...createCheckpointCalls(transport, { sandboxes, onWarning }),
    ...createBuildCalls(transport),
    ...createExecCalls(transport),
    ...createFileCalls(transport),
    info: (call) => transport.json(serverInfoSchema, { method: "GET", path: routes.info, ...call }),
    plan: (image, call) =>
      transport.json(imagePlanSchema, {
        method: "POST",
        path: routes.plan,
        json: { image },
        idempotent: true,
        ...call,
      }),
    collect: ({ verify, ...call } = {}) => {
      const path = verify ? `${routes.collect}?verify=1` : routes.collect;
      return transport.json(collectedSchema, { method: "POST", path, idempotent: true, ...call });
    },
  };
}
