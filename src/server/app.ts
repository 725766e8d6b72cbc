import { Hono, type MiddlewareHandler } from "hono";
import type { Engine } from "../engines/engine";
import { type AppEnv, authenticate, checkHost } from "./auth";
import { answerError, answerUnknownRoute } from "./http-errors";
import type { Log } from "./log";
import { describeApi } from "./openapi";
import { checkForm, checkOrigin } from "./request-checks";
import { blobRoutes } from "./routes/blob-routes";
import { buildRoutes } from "./routes/build-routes";
import { checkpointRoutes, sandboxCheckpointRoutes } from "./routes/checkpoint-routes";
import { execRoutes } from "./routes/exec-routes";
import { fileRoutes } from "./routes/file-routes";
import { sandboxRoutes } from "./routes/sandbox-routes";
import { healthRoutes, serviceRoutes } from "./routes/service-routes";
import { snapshotRoutes } from "./routes/snapshot-routes";
import type { BlobStore } from "./services/blob-store";
import type { BuildHistory } from "./services/build-history";
import type { CheckpointService } from "./services/checkpoint-service";
import type { CollectionService } from "./services/collection-service";
import type { ExecService } from "./services/exec-service";
import type { FileService } from "./services/file-service";
import type { Quotas } from "./services/quotas";
import type { SandboxService } from "./services/sandbox-service";
import type { SnapshotService } from "./services/snapshot-service";
import type { Store } from "./store/store";

/** All that the routes stand on. */
export interface AppParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly history: BuildHistory;
  readonly snapshots: SnapshotService;
  readonly sandboxes: SandboxService;
  readonly checkpoints: CheckpointService;
  readonly exec: ExecService;
  readonly files: FileService;
  readonly collection: CollectionService;
  readonly quotas: Quotas;
  readonly log: Log;
  readonly version: string;
  /** Limit of a build step where the request does not say. */
  readonly stepTimeoutSeconds: number;
  /** Where the server listens; requests for other host names are refused. */
  readonly host: string;
  readonly allowedHosts: readonly string[];
}

/**
 * The server as a function from request to response: OpenComputer's wire and our additions below `/api`, health at the
 * root.
 *
 * @example const answer = await createApp(parts).request("/api/snapshots", { headers: { "X-API-Key": key } })
 */
export function createApp(parts: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.onError(answerError(parts.log));
  app.notFound(answerUnknownRoute);
  app.use(logRequests(parts.log));
  app.route("/", healthRoutes());
  app.use(checkHost(parts.allowedHosts, parts.host));
  app.use(checkOrigin(parts.allowedHosts));
  app.use(checkForm());
  app.route("/api", createApi(parts));
  return app;
}

function createApi(parts: AppParts): Hono<AppEnv> {
  const api = new Hono<AppEnv>();
  api.use(authenticate(parts.store, parts.quotas));
  api.get("/openapi.json", (c) => c.json(describeApi(parts.version)));
  api.route("/snapshots", snapshotRoutes(parts));
  api.route("/sandboxes", sandboxRoutes(parts));
  api.route("/sandboxes", sandboxCheckpointRoutes(parts));
  api.route("/checkpoints", checkpointRoutes(parts));
  api.route("/sandboxes", execRoutes(parts));
  api.route("/sandboxes", fileRoutes(parts));
  api.route("/blobs", blobRoutes(parts));
  api.route("/builds", buildRoutes(parts));
  api.route("/", serviceRoutes(parts));
  return api;
}

/** The path without its query, which may hold a key or a file's name. */
function logRequests(log: Log): MiddlewareHandler {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const ms = Math.round(performance.now() - startedAt);
    log.debug({ method: c.req.method, path: c.req.path, status: c.res.status, ms }, "request");
  };
}
