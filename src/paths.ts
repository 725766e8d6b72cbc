import { join } from "node:path";

/** Where things live on this machine; pure functions of the environment, so that tests can ask for any machine. */

export interface PathInputs {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Effective user id; 0 is root. */
  readonly uid: number;
  readonly homeDir: string;
}

/** The server's home: `OPENCOMPUTER_HOME`, else `$XDG_DATA_HOME/opencomputer`, for root `/var/lib/opencomputer`. */
export function serverHome({ env, uid, homeDir }: PathInputs): string {
  if (env["OPENCOMPUTER_HOME"]) return env["OPENCOMPUTER_HOME"];
  if (uid === 0) return "/var/lib/opencomputer";
  return join(env["XDG_DATA_HOME"] || join(homeDir, ".local", "share"), "opencomputer");
}

/**
 * What can be had again: tools (`bin/`), base root filesystems (`base/`), where local files are (`blobs/`).
 * `OPENCOMPUTER_CACHE`, else `$XDG_CACHE_HOME/pulumi-opencomputer`, else `~/.cache/pulumi-opencomputer`.
 */
export function cacheHome({ env, homeDir }: PathInputs): string {
  return env["OPENCOMPUTER_CACHE"] || join(env["XDG_CACHE_HOME"] || join(homeDir, ".cache"), "pulumi-opencomputer");
}
