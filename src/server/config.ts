import { z } from "zod";
import { parseWith } from "../image/manifest";
import { cacheHome, type PathInputs, serverHome } from "../paths";
import { LOG_LEVELS } from "./log";

/** How a server is set up; {@link readServerConfig} fills in what is not said. */
export const serverConfigSchema = z.strictObject({
  /** Address to listen on. Default: this machine only. */
  host: z.string().min(1).default("127.0.0.1"),
  /** Port to listen on; 0 is any that is free. */
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  /** More host names that requests may be addressed to. */
  allowedHosts: z.array(z.string().min(1)).default([]),
  /** Where the server keeps everything that must last. */
  home: z.string().startsWith("/", "must be an absolute path"),
  /** Where things are that can be had again. */
  cacheDir: z.string().startsWith("/", "must be an absolute path"),
  engine: z.enum(["auto", "local"], 'must be "auto" or "local"').default("auto"),
  /** OCI runtime of the local engine; `auto` is runsc where it is there. */
  runtime: z.enum(["auto", "runsc", "runc", "crun"]).default("auto"),
  /** Where the base root filesystem comes from: `tar:…`, `dir:…`, `mmdebstrap:SUITE`, `oci:REF`. Default: by machine. */
  base: z.string().min(1).optional(),
  /** Limit of a build step where a request does not say. */
  stepTimeoutSeconds: z.coerce.number().int().min(1).max(86_400).default(1800),
  logLevel: z.enum(LOG_LEVELS).default("info"),
});

export type ServerConfig = z.infer<typeof serverConfigSchema>;
/** What a caller may say; options win over the environment. */
export type ServerOptions = Partial<z.input<typeof serverConfigSchema>>;

/**
 * The configuration from options, then environment, then defaults.
 *
 * @throws invalid_input with every problem
 * @example readServerConfig({ port: 8080 }, { env: process.env, uid: 0, homeDir: "/root" })
 */
export function readServerConfig(options: ServerOptions, inputs: PathInputs): ServerConfig {
  const said = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return parseWith(serverConfigSchema, { ...fromEnvironment(inputs), ...said }, "the server's configuration");
}

function fromEnvironment(inputs: PathInputs): Record<string, unknown> {
  const { env } = inputs;
  const found = {
    port: env["OPENCOMPUTER_PORT"],
    allowedHosts: env["OPENCOMPUTER_ALLOWED_HOSTS"]?.split(",").map((name) => name.trim()),
    engine: env["OPENCOMPUTER_ENGINE"],
    runtime: env["OPENCOMPUTER_RUNTIME"],
    base: env["OPENCOMPUTER_BASE"],
    stepTimeoutSeconds: env["OPENCOMPUTER_STEP_TIMEOUT"],
    logLevel: env["OPENCOMPUTER_LOG_LEVEL"],
  };
  // A variable that is set to nothing is not set.
  const present = Object.entries(found).filter(([, value]) => value !== undefined && String(value) !== "");
  return { home: serverHome(inputs), cacheDir: cacheHome(inputs), ...Object.fromEntries(present) };
}
