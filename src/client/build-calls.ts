import { z } from "zod";
import type { ServerApi } from "../api/contract";
import { routes } from "../api/routes";
import { buildInfoSchema } from "../api/schemas";
import { followBuild } from "./build-stream";
import type { Transport } from "./transport";

type BuildCalls = Pick<ServerApi, "listBuilds" | "followBuildLog">;

/** The part of the API that is about builds, running or over. */
export function createBuildCalls(transport: Transport): BuildCalls {
  return {
    listBuilds: (options) =>
      transport.json(z.array(buildInfoSchema), { method: "GET", path: routes.builds, ...options }),
    followBuildLog: (id, { from, follow, ...options } = {}) => {
      const call = { method: "GET", path: routes.buildLog(id, from, follow), signal: options.signal } as const;
      return followBuild(transport, buildInfoSchema, call, options);
    },
  };
}
