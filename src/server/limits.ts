import { z } from "zod";

/** How much one organisation may have or do at a time, and how much the server takes on. Each is a setting. */
export interface Limits {
  /** Sandboxes that run or sleep. Default 1,000. */
  readonly maxSandboxes: number;
  /** Sandboxes that are kept started ahead, of all warm pools together. Default 200. */
  readonly maxWarm: number;
  /** Builds that run or wait for their turn. Default 200. */
  readonly maxBuilds: number;
  /** Versions of snapshots. Default 10,000. */
  readonly maxSnapshots: number;
  /** Checkpoints of sandboxes. Default 10,000. */
  readonly maxCheckpoints: number;
  /** Bytes of uploaded files, in GiB. Default 200. */
  readonly maxStoredGB: number;
  /** Requests that have no answer yet. Default 1,000. */
  readonly maxRequests: number;
  /** Readers of event streams. Default 250. */
  readonly maxStreams: number;
  /** Commands that run. Default 1,000. */
  readonly maxCommands: number;
  /** Output of commands that is kept in memory, in MiB; beyond it each keeps its newest 64 KiB. Default 512. */
  readonly maxOutputMB: number;
  /** JSON of one request, in MiB; the files of OpenComputer's clients stand in it. Default 64. */
  readonly maxBodyMB: number;
  /** Connections to the server, of everybody together. Default 2,048. */
  readonly maxConnections: number;
}

const count = z.coerce.number().int().min(1).max(1_000_000);

/** The limits as settings, with their defaults. */
export const limitFields = {
  maxSandboxes: count.default(1_000),
  maxWarm: count.default(200),
  maxBuilds: count.default(200),
  maxSnapshots: count.default(10_000),
  maxCheckpoints: count.default(10_000),
  maxStoredGB: count.default(200),
  maxRequests: count.default(1_000),
  maxStreams: count.default(250),
  maxCommands: count.default(1_000),
  maxOutputMB: count.default(512),
  // Node holds no longer text.
  maxBodyMB: count.max(500).default(64),
  maxConnections: count.default(2_048),
} satisfies { readonly [name in keyof Limits]: z.ZodType<number> };

/** The variables that they are set by. */
export const LIMIT_VARIABLES: Readonly<Record<keyof Limits, string>> = {
  maxSandboxes: "OPENCOMPUTER_MAX_SANDBOXES",
  maxWarm: "OPENCOMPUTER_MAX_WARM",
  maxBuilds: "OPENCOMPUTER_MAX_BUILDS",
  maxSnapshots: "OPENCOMPUTER_MAX_SNAPSHOTS",
  maxCheckpoints: "OPENCOMPUTER_MAX_CHECKPOINTS",
  maxStoredGB: "OPENCOMPUTER_MAX_STORED_GB",
  maxRequests: "OPENCOMPUTER_MAX_REQUESTS",
  maxStreams: "OPENCOMPUTER_MAX_STREAMS",
  maxCommands: "OPENCOMPUTER_MAX_COMMANDS",
  maxOutputMB: "OPENCOMPUTER_MAX_OUTPUT_MB",
  maxBodyMB: "OPENCOMPUTER_MAX_BODY_MB",
  maxConnections: "OPENCOMPUTER_MAX_CONNECTIONS",
};

/** What is allowed where nothing is said. */
export const DEFAULT_LIMITS: Limits = z.object(limitFields).parse({});
