/** The door `pulumi-opencomputer/server`: run a server, or mount its app elsewhere. */
export { type AppParts, createApp } from "./server/app";
export { readServerConfig, type ServerConfig, type ServerOptions } from "./server/config";
export { startServer } from "./server/main";
export type { RunningServer } from "./server/run-server";
