import { z } from "zod";
import { covers, toBlock } from "../engines/local/address-block";
import { invalidInput } from "../errors";
import { toProblems } from "../image/manifest";
import { inWords } from "../image/problem-words";
import { cacheHome, type PathInputs, serverHome } from "../paths";
import { forEachLimit, type Limits } from "./limits";
import { LOG_LEVELS, type LogLevel } from "./log";

/** How a server is set up; {@link readServerConfig} fills in what is not said. */
export interface ServerConfig extends Limits {
  /** Address to listen on. Default: this machine only. */
  readonly host: string;
  /** Port to listen on; 0, the default, is any that is free. */
  readonly port: number;
  /** More host names that requests may be addressed to. */
  readonly allowedHosts: readonly string[];
  /** Where the server keeps everything that must last. */
  readonly home: string;
  /** Where things are that can be had again. */
  readonly cacheDir: string;
  readonly engine: "auto" | "local";
  /** OCI runtime of the local engine; `auto` is runsc where it is there. */
  readonly runtime: "auto" | "runsc" | "runc" | "crun";
  /** The version of a runc that is taken although it is open to known escapes: its distribution mended it. */
  readonly acceptRunc?: string;
  /**
   * Private addresses and blocks that sandboxes and builds reach all the same. The host's own and a metadata service's are
   * reached where the address itself is named. Default: none.
   */
  readonly reach: readonly string[];
  /** Where the base root filesystem comes from: `tar:…`, `dir:…`, `mmdebstrap:SUITE`, `oci:REF`. Default: by machine. */
  readonly base?: string;
  /** Limit of a build step where a request does not say. */
  readonly stepTimeoutSeconds: number;
  /** What a build step may write, and a sandbox that does not say; in MiB. Default: the engine's, 20480. */
  readonly diskMB?: number;
  readonly logLevel: LogLevel;
}

/** What a caller may say; options win over the environment. Numbers and lists may stand as text, as on a command line. */
export type ServerOptions = Partial<
  Omit<ServerConfig, "port" | "stepTimeoutSeconds" | "diskMB" | "reach"> & {
    /** With commas between them, as text. */
    readonly reach: readonly string[] | string;
    readonly port: number | string;
    readonly diskMB: number | string;
    readonly stepTimeoutSeconds: number | string;
  }
>;

const REACHABLE = "must be an IPv4 address or a block of them (10.1.0.0/16), beyond this machine's loopback";
const LOOPBACK = "127.0.0.0/8";

/** `"a, b"` as `["a", "b"]`. */
function fromText(list: unknown): unknown {
  return typeof list === "string" ? list.split(",").map((item) => item.trim()) : list;
}

function isReachable(text: string): boolean {
  const [block, loopback] = [toBlock(text), toBlock(LOOPBACK)];
  return block !== null && !(loopback && covers(loopback, block));
}

const serverConfigSchema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  allowedHosts: z.array(z.string().min(1)).default([]),
  home: z.string().startsWith("/", "must be an absolute path"),
  cacheDir: z.string().startsWith("/", "must be an absolute path"),
  engine: z.enum(["auto", "local"], 'must be "auto" or "local"').default("auto"),
  runtime: z.enum(["auto", "runsc", "runc", "crun"]).default("auto"),
  acceptRunc: z.string().min(1).optional(),
  reach: z.preprocess(
    fromText,
    z
      .array(z.string().refine(isReachable, { error: ({ input }) => `${REACHABLE}; got ${JSON.stringify(input)}` }))
      .default([]),
  ),
  base: z.string().min(1).optional(),
  stepTimeoutSeconds: z.coerce.number().int().min(1).max(86_400).default(1800),
  diskMB: z.coerce.number().int().min(64).max(1_073_741_824).optional(),
  logLevel: z.enum(LOG_LEVELS).default("info"),
  ...forEachLimit(({ standard, most }) => z.coerce.number().int().min(1).max(most).default(standard)),
}) satisfies z.ZodType<ServerConfig>;

/**
 * The configuration from options, then environment, then defaults.
 *
 * @throws invalid_input with every problem
 * @example readServerConfig({ port: 8080 }, { env: process.env, uid: 0, homeDir: "/root" })
 */
export function readServerConfig(options: ServerOptions, inputs: PathInputs): ServerConfig {
  const said = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const input = { ...fromEnvironment(inputs), ...said };
  const parsed = serverConfigSchema.safeParse(input, inWords);
  if (parsed.success) return parsed.data;
  const problems = toProblems(parsed.error, input).map((problem) => ({ ...problem, path: nameOf(problem.path, said) }));
  throw invalidInput("the server's configuration", problems);
}

/** A setting by the name under which it was said: the option, else the variable. */
function nameOf(path: string, said: object): string {
  const [name = ""] = path.split("[");
  return Object.hasOwn(said, name) ? path : (VARIABLES[name] ?? path);
}

const VARIABLES: Readonly<Record<string, string>> = {
  home: "OPENCOMPUTER_HOME",
  cacheDir: "OPENCOMPUTER_CACHE",
  port: "OPENCOMPUTER_PORT",
  allowedHosts: "OPENCOMPUTER_ALLOWED_HOSTS",
  engine: "OPENCOMPUTER_ENGINE",
  runtime: "OPENCOMPUTER_RUNTIME",
  acceptRunc: "OPENCOMPUTER_ACCEPT_RUNC",
  reach: "OPENCOMPUTER_REACH",
  base: "OPENCOMPUTER_BASE",
  stepTimeoutSeconds: "OPENCOMPUTER_STEP_TIMEOUT",
  diskMB: "OPENCOMPUTER_DISK_MB",
  logLevel: "OPENCOMPUTER_LOG_LEVEL",
  ...forEachLimit(({ variable }) => variable),
};

function fromEnvironment(inputs: PathInputs): Record<string, unknown> {
  const { env } = inputs;
  const found = {
    port: env["OPENCOMPUTER_PORT"],
    allowedHosts: env["OPENCOMPUTER_ALLOWED_HOSTS"]?.split(",").map((name) => name.trim()),
    engine: env["OPENCOMPUTER_ENGINE"],
    runtime: env["OPENCOMPUTER_RUNTIME"],
    acceptRunc: env["OPENCOMPUTER_ACCEPT_RUNC"],
    reach: env["OPENCOMPUTER_REACH"],
    base: env["OPENCOMPUTER_BASE"],
    stepTimeoutSeconds: env["OPENCOMPUTER_STEP_TIMEOUT"],
    diskMB: env["OPENCOMPUTER_DISK_MB"],
    logLevel: env["OPENCOMPUTER_LOG_LEVEL"],
    ...forEachLimit(({ variable }) => env[variable]),
  };
  // A variable that is set to nothing is not set.
  const present = Object.entries(found).filter(([, value]) => value !== undefined && String(value) !== "");
  return { home: serverHome(inputs), cacheDir: cacheHome(inputs), ...Object.fromEntries(present) };
}
