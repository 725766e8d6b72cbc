import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { LocalHome } from "./home";
import { mountOverlay, unmount } from "./mounts";

/**
 * Tries an overlay mount in the home. True where the kernel takes `uuid=null`.
 *
 * @throws requirement_missing where none can be made there at all
 */
export async function probeOverlay(home: LocalHome): Promise<boolean> {
  const dir = await mkdtemp(join(home.active, "probe-"));
  const path = (name: string) => join(dir, name);
  try {
    for (const name of ["lower", "fs", "work", "merged"]) await mkdir(path(name));
    const options = { lowers: ["lower"], upper: path("fs"), work: path("work") };
    const tryMount = (uuidNull: boolean) => mountOverlay(path("merged"), dir, { ...options, uuidNull });
    try {
      await tryMount(true);
      return true;
    } catch {
      await tryMount(false);
      return false;
    }
  } catch (cause) {
    const advice = "set OPENCOMPUTER_HOME to a directory on ext4, xfs or btrfs (in a container: on a volume)";
    const message = `no overlay file system can be mounted in ${home.root}: ${advice}`;
    throw new OpenComputerError("requirement_missing", message, { cause });
  } finally {
    await unmount(path("merged"));
    await rm(dir, { recursive: true, force: true });
  }
}
