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
  /** Readers of event streams, among them those who wait for a sandbox that is asked for. Default 1,000. */
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

/** A limit as a setting: a whole number from 1. */
export interface LimitSetting {
  /** The variable that it is set by. */
  readonly variable: string;
  /** Where nothing is said. */
  readonly standard: number;
  readonly most: number;
}

/** The limits as settings. */
export const LIMITS: Readonly<Record<keyof Limits, LimitSetting>> = {
  maxSandboxes: { variable: "OPENCOMPUTER_MAX_SANDBOXES", standard: 1_000, most: 1_000_000 },
  maxWarm: { variable: "OPENCOMPUTER_MAX_WARM", standard: 200, most: 1_000_000 },
  maxBuilds: { variable: "OPENCOMPUTER_MAX_BUILDS", standard: 200, most: 1_000_000 },
  maxSnapshots: { variable: "OPENCOMPUTER_MAX_SNAPSHOTS", standard: 10_000, most: 1_000_000 },
  maxCheckpoints: { variable: "OPENCOMPUTER_MAX_CHECKPOINTS", standard: 10_000, most: 1_000_000 },
  maxStoredGB: { variable: "OPENCOMPUTER_MAX_STORED_GB", standard: 200, most: 1_000_000 },
  maxRequests: { variable: "OPENCOMPUTER_MAX_REQUESTS", standard: 1_000, most: 1_000_000 },
  maxStreams: { variable: "OPENCOMPUTER_MAX_STREAMS", standard: 1_000, most: 1_000_000 },
  maxCommands: { variable: "OPENCOMPUTER_MAX_COMMANDS", standard: 1_000, most: 1_000_000 },
  maxOutputMB: { variable: "OPENCOMPUTER_MAX_OUTPUT_MB", standard: 512, most: 1_000_000 },
  // Node holds no longer text.
  maxBodyMB: { variable: "OPENCOMPUTER_MAX_BODY_MB", standard: 64, most: 500 },
  maxConnections: { variable: "OPENCOMPUTER_MAX_CONNECTIONS", standard: 2_048, most: 1_000_000 },
};

const LIMIT_NAMES = Object.keys(LIMITS) as readonly (keyof Limits)[];

/** Something for each limit, by its name. */
export function forEachLimit<T>(toValue: (setting: LimitSetting) => T): Readonly<Record<keyof Limits, T>> {
  return Object.fromEntries(LIMIT_NAMES.map((name) => [name, toValue(LIMITS[name])])) as Record<keyof Limits, T>;
}

/** What is allowed where nothing is said. */
export const DEFAULT_LIMITS: Limits = forEachLimit(({ standard }) => standard);
