import { z } from "zod";
import type { ServerApi } from "../api/contract";
import { routes } from "../api/routes";
import { buildInfoSchema } from "../api/schemas";
import { followLog } from "./log-stream";
import type { Transport } from "./transport";

type BuildCalls = Pick<ServerApi, "listBuilds" | "followBuildLog">;

/** The part of the API that is about builds, running or over. */
export function createBuildCalls(transport: Transport): BuildCalls {
  return {
    listBuilds: (options) =>
      transport.json(z.array(buildInfoSchema), { method: "GET", path: routes.builds, ...options }),
    followBuildLog: (id, { follow, ...options } = {}) =>
      followLog(transport, buildInfoSchema, (from) => routes.buildLog(id, from, follow), options),
  };
}
