import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolders, installTool } from "./cache.mjs";
import { ask, findProgram, run } from "./command.mjs";
import { aptCandidate, findPackageManager } from "./package-manager.mjs";
import { step } from "./progress.mjs";

const PACKAGES = ["docker.io", "containerd"];
const TIMEOUT_MS = 10 * 60_000;

/**
 * Docker for benchmarks to run beside us: a daemon that answers or can be started, else the distribution's, unpacked
 * into the cache. Nothing is installed. Where there is none, benchmarks say so.
 *
 * @returns {Promise<readonly string[]>} Folders to look for its programs in before all others.
 */
export async function provideDocker() {
  if ((await ask("docker", ["version"])).ok || findProgram("dockerd")) return [];
  const version = await aptCandidate(findPackageManager(), "docker.io");
  if (!version || !findProgram("dpkg-deb")) return [];
  const name = `docker-${version.replaceAll(/[^\w.-]/g, "-")}`;
  await installTool(name, [], (folder) => unpackPackages(folder));
  const root = join(cacheFolders().tools, name);
  return [join(root, "usr/sbin"), join(root, "usr/bin")];
}

/** @param {string} folder */
async function unpackPackages(folder) {
  await step(
    "Fetching the distribution's Docker, unpacked: containers are run with it, too, to compare",
    async (onLine) => {
      const options = { cwd: folder, timeoutMs: TIMEOUT_MS, onLine };
      await run("apt-get", ["download", ...PACKAGES], options);
      for (const file of await readdir(folder)) {
        if (file.endsWith(".deb")) await run("dpkg-deb", ["-x", file, "."], options);
      }
    },
  );
}
