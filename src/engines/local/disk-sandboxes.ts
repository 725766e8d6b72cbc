import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { basename, join } from "node:path";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";
import { readSandbox, writeRunningSandbox } from "./checkpoints/sandbox-record";
import type { Transitions } from "./checkpoints/transitions";
import { endContainer, isRunning } from "./container";
import type { DiskUser } from "./disk-watch";
import type { Removals } from "./removals";

/** The sandboxes of these directories that run, as users of the disk. */
export async function diskUsersAmong(
  deps: SandboxDeps,
  transitions: Transitions,
  removals: Removals,
  dirs: readonly string[],
): Promise<DiskUser[]> {
  const found = await Promise.all(dirs.map((dir) => diskUser(deps, transitions, removals, dir)));
  return found.flatMap((user) => user ?? []);
}

async function diskUser(
  deps: SandboxDeps,
  transitions: Transitions,
  removals: Removals,
  dir: string,
): Promise<DiskUser | null> {
  const record = await readSandbox(dir);
  if (!record || record.sleep || !(await isRunning(dir))) return null;
  const end = (reason: string) => transitions.run(dir, NEVER, () => stopSandbox(deps, removals, dir, reason));
  return { dir, quotaMB: record.diskMB ?? deps.disk.quotaMB, end };
}

const NEVER = new AbortController().signal;

/** Says why and ends it, in this order: whoever finds it ended looks for the reason. The disk gets back what it wrote. */
async function stopSandbox(deps: SandboxDeps, removals: Removals, dir: string, reason: string): Promise<void> {
  const record = await readSandbox(dir);
  // Another change was first: it sleeps, or another has its place.
  if (!record || record.sleep || !(await isRunning(dir))) return;
  await writeRunningSandbox(dir, { ...record, stopped: reason });
  await endContainer(deps, dir);
  const grave = join(deps.home.active, `gone-${basename(dir)}-${randomBytes(4).toString("hex")}`);
  await rename(join(dir, "fs"), grave);
  await removals.remove(grave);
}
