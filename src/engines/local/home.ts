import { createHash } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OpenComputerError } from "../../errors";
import { UID_SHIFT } from "./oci-spec";

/** Where the engine keeps things. What must survive a reboot is below the home; what must not, below /run. */
export interface LocalHome {
  readonly root: string;
  /** Frozen layers; a directory that is there is whole. */
  readonly layers: string;
  /** Layers that are not what they were. */
  readonly damaged: string;
  /** What is being built; garbage at start. */
  readonly active: string;
  readonly sandboxes: string;
  /** Memory and processes that sandboxes go on from, one directory each. */
  readonly memory: string;
  /** What package managers downloaded in build steps; may be deleted at any time. */
  readonly downloads: string;
  /** Files of the host that containers see read-only at /.oc. */
  readonly shared: string;
  /** Files of the host that only build steps see; mounted one by one. */
  readonly stepFiles: string;
  /** Mount points of merged file systems, in a place that root-inside can traverse to. */
  readonly merged: string;
  /** Where the programs that the engine starts reach it. */
  readonly handSocket: string;
  /** The runtimes' own state, one directory a runtime. */
  readonly runtimes: string;
}

/** Where all engines of this machine keep run-time state. */
export const RUN_ROOT = "/run/opencomputer";

/** The places of a home. */
export function localHome(root: string): LocalHome {
  const run = join(RUN_ROOT, createHash("sha256").update(root).digest("hex").slice(0, 12));
  return {
    root,
    layers: join(root, "layers"),
    damaged: join(root, "damaged"),
    active: join(root, "active"),
    sandboxes: join(root, "sandboxes"),
    memory: join(root, "memory"),
    downloads: join(root, "downloads"),
    shared: join(root, "shared"),
    stepFiles: join(root, "step-files"),
    merged: join(run, "merged"),
    handSocket: join(run, "hand.sock"),
    runtimes: join(run, "runtime"),
  };
}

/** Makes every place of the home; what is there stays. */
export async function makeHome(home: LocalHome): Promise<void> {
  await mkdir(home.merged, { recursive: true });
  // Root-inside has to pass through these, whatever our umask is; no other user of this machine may, because setuid
  // programs of images lie behind them.
  for (const dir of [RUN_ROOT, dirname(home.merged), home.merged]) {
    await chown(dir, 0, UID_SHIFT);
    await chmod(dir, 0o710);
  }
  for (const dir of [home.layers, home.active, home.sandboxes, home.memory, home.runtimes]) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
  }
  await mkdir(home.shared, { recursive: true, mode: 0o755 });
}

/**
 * An id becomes a path, a cgroup and a container name; so it is plain.
 *
 * @throws invalid_input
 */
export function assertPlainId(id: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(id)) return id;
  const allowed = "1 to 64 letters, digits, '_', '.' and '-'";
  throw new OpenComputerError("invalid_input", `${JSON.stringify(id)} is not a sandbox id; expected ${allowed}`);
}
