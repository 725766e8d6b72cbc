import { access } from "node:fs/promises";
import { basename, join } from "node:path";
import { cgroupsPath, hierarchies } from "./cgroup";
import type { DiskUsage } from "./disk-quota";
import type { Hand } from "./hand";
import type { LocalHome } from "./home";

/** The longest that one walk takes; what is counted by then is a part. */
const WALK_LIMIT_MS = 3_000;
/** The hand's result where there was more than could be counted in time. */
const ETIME = 62;

/**
 * What the container of a directory takes of the disk: all below the directory, and files that its processes hold open and
 * have no name any more. Null where it cannot be told, because it is gone or its file system does not let it.
 */
export async function measureContainer(hand: Hand, home: LocalHome, dir: string): Promise<DiskUsage | null> {
  const id = basename(dir);
  const words = [String(WALK_LIMIT_MS), dir, join(home.merged, id), await membersFile(id)];
  const { result, text } = await hand.ask("usage", ...words);
  if (result !== 0 && result !== ETIME) return null;
  const [bytes = 0, files = 0] = text.split(" ").map(Number);
  return { bytes, files };
}

/** Where the ids of a container's processes stand; empty where it has none. */
async function membersFile(id: string): Promise<string> {
  for (const hierarchy of await hierarchies()) {
    const file = join(hierarchy, cgroupsPath(id), "cgroup.procs");
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return "";
}
