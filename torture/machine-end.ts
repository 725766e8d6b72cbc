import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupsPath, hierarchies, removeCgroups } from "../src/engines/local/cgroup";
import { SLOTS_DIR } from "../src/engines/local/firewall";
import { containersOf, runDirOf, slotsOf } from "../test/fixtures/home-census";

/**
 * Does to a home's containers what the end of their machine does: no process is left, no mount, no network link,
 * nothing below /run. The server has ended by then.
 */
export async function endMachine(home: string): Promise<void> {
  const run = runDirOf(home);
  for (const id of containersOf(home)) {
    await thaw(id);
    await removeCgroups(id);
  }
  for (let left = own(run); left.length > 0; left = own(run)) {
    for (const pid of left) kill(pid);
    await sleep(20);
  }
  unmountBelow(run);
  await rm(run, { recursive: true, force: true });
  for (const slot of slotsOf(home)) {
    // Where the last process of its namespace has ended, it is gone already.
    spawnSync("ip", ["link", "delete", `oc${slot}`]);
    await rm(join(SLOTS_DIR, slot), { recursive: true, force: true });
  }
}

/** Frozen processes do not die. */
async function thaw(id: string): Promise<void> {
  for (const group of (await hierarchies()).map((hierarchy) => join(hierarchy, cgroupsPath(id)))) {
    if (existsSync(join(group, "freezer.state"))) writeFileSync(join(group, "freezer.state"), "THAWED");
    if (existsSync(join(group, "cgroup.freeze"))) writeFileSync(join(group, "cgroup.freeze"), "0");
  }
}

/** The last first. What is still in use is let go of as soon as it is not. */
function unmountBelow(dir: string): void {
  const targets = read("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((target) => target.startsWith(`${dir}/`));
  for (const target of targets.reverse()) execFileSync("umount", ["--lazy", target]);
}

/** Programs of runtimes, by what they were started with. */
function own(run: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((name) => read(`/proc/${name}/cmdline`).includes(run))
    .map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
