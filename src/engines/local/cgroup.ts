import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Control groups of containers: `/opencomputer/<id>` in every hierarchy of the machine, of version 1, 2 or both. The
 * runtimes make and remove them; this finds what they leave.
 */

const CGROUP_ROOT = "/opencomputer";

/** The absolute `cgroupsPath` of a container. */
export function cgroupsPath(id: string): string {
  return `${CGROUP_ROOT}/${id}`;
}

/** Kills what runs in a container's groups, then removes them. Groups that are gone are fine. */
export async function removeCgroups(id: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const dir = join(hierarchy, CGROUP_ROOT, id);
    for (let attempt = 0; attempt < 50 && !(await isRemoved(dir)); attempt++) {
      await killMembers(dir);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Removes the common parent where nothing is in it any more. */
export async function removeCgroupRoot(): Promise<void> {
  for (const hierarchy of await hierarchies()) await rmdir(join(hierarchy, CGROUP_ROOT)).catch(() => undefined);
}

/** Whether the kernel accounts swap to control groups. */
export async function accountsSwap(): Promise<boolean> {
  for (const hierarchy of await hierarchies()) {
    const names = await readdir(hierarchy).catch((): string[] => []);
    if (names.includes("memory.memsw.limit_in_bytes")) return true;
    if (names.includes("cgroup.controllers")) {
      const enabled = await readFile(join(hierarchy, "cgroup.controllers"), "utf8").catch(() => "");
      if (enabled.split(/\s+/).includes("memory")) return true;
    }
  }
  return false;
}

/** Where the hierarchies are mounted. */
export async function hierarchies(): Promise<string[]> {
  const lines = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  return lines.flatMap(([, target, type]) => (target && (type === "cgroup" || type === "cgroup2") ? [target] : []));
}

async function isRemoved(dir: string): Promise<boolean> {
  try {
    for (const child of await readdir(dir, { withFileTypes: true })) {
      if (child.isDirectory()) await isRemoved(join(dir, child.name));
    }
    await rmdir(dir);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

async function killMembers(dir: string): Promise<void> {
  const members = await readFile(join(dir, "cgroup.procs"), "utf8").catch(() => "");
  for (const pid of members.split("\n").filter(Boolean).map(Number)) {
    try {
      if (pid > 0) process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in between.
    }
  }
}
