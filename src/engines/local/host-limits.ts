import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What a kernel gives out by number, to all of a user or of the machine together: to it all sandboxes are one user, so one
 * that takes all of it would leave nothing to the others and to the host's own services. Each of these costs memory that
 * counts against the sandbox's own limit; so the numbers may be as large as there are.
 */
const WANTED: Readonly<Record<string, number>> = {
  "fs/inotify/max_user_instances": 2 ** 31 - 1,
  "fs/inotify/max_user_watches": 2 ** 31 - 1,
  // As much as can be written as a number of JavaScript: nobody has so much memory.
  "fs/file-max": Number.MAX_SAFE_INTEGER,
  "kernel/pid_max": 4_194_304,
  // A part of what one costs counts for nobody; but a sandbox has 512 at most.
  "kernel/pty/max": 65_536,
};

/**
 * Raises the limits of the host that sandboxes would take from each other; never lowers one. What cannot be raised, as where
 * the engine is itself in a container, stays and is told.
 *
 * @param root where the kernel's settings are
 */
export async function raiseHostLimits(onProgress: (line: string) => void, root = "/proc/sys"): Promise<void> {
  for (const [name, wanted] of Object.entries(WANTED)) {
    const file = join(root, name);
    try {
      const found = Number(await readFile(file, "utf8"));
      if (found >= wanted) continue;
      await writeFile(file, String(wanted));
      onProgress(`raised ${name.replaceAll("/", ".")} from ${found} to ${wanted}: all sandboxes share it`);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? String(error);
      onProgress(`cannot raise ${name.replaceAll("/", ".")} (${why}): one sandbox may take all of it from the others`);
    }
  }
}
