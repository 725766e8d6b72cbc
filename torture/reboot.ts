import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { containersOf, homeCensus, runDirOf, slotsOf } from "../test/fixtures/home-census";

/**
 * Does to one home what starting the machine anew does, after its server was killed: its processes end, and everything of it
 * that is not on disk is gone. Those of others stay.
 */
export async function reboot(home: string): Promise<void> {
  const run = runDirOf(home);
  const groups = controlGroups(containersOf(home));
  for (let attempt = 0; attempt < 100 && endProcesses(home, groups) > 0; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const target of mountsBelow(run).reverse()) execFileSync("umount", ["-l", target]);
  // Two names may stand for one hierarchy.
  for (const group of groups) if (existsSync(group)) rmdirSync(group);
  for (const slot of slotsOf(home)) {
    // Where the last process of its namespace has ended, it is gone already.
    spawnSync("ip", ["link", "delete", `oc${slot}`]);
    rmSync(join("/run/opencomputer/net", slot), { recursive: true });
  }
  rmSync(run, { recursive: true, force: true });
}

/** The deepest first. */
function controlGroups(containers: readonly string[]): string[] {
  const hierarchies = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap(([, target, type]) => (target && type?.startsWith("cgroup") ? [join(target, "opencomputer")] : []));
  return hierarchies
    .flatMap((root) => containers.map((name) => join(root, name)))
    .filter((group) => existsSync(group))
    .flatMap(withBelow);
}

function withBelow(group: string): string[] {
  const below = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...below.flatMap(({ name }) => withBelow(join(group, name))), group];
}

/** How many there still were. */
function endProcesses(home: string, groups: readonly string[]): number {
  const members = groups
    .filter((group) => existsSync(group))
    .flatMap((group) => readFileSync(join(group, "cgroup.procs"), "utf8").split("\n").filter(Boolean));
  const named = homeCensus(home).flatMap((line) => /^process (\d+) /.exec(line)?.[1] ?? []);
  const pids = new Set([...members, ...named].map(Number));
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in between.
    }
  }
  return pids.size;
}

function mountsBelow(dir: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.flatMap((line) => line.split(" ")[4] ?? []).filter((target) => target.startsWith(`${dir}/`));
}
