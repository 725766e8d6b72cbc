import { join } from "node:path";
import { cacheFolders, installTool } from "./cache.mjs";
import { ask, findProgram } from "./command.mjs";
import { aptCandidate, findPackageManager } from "./package-manager.mjs";
import { step } from "./progress.mjs";
import { unpackDebs } from "./unpack-debs.mjs";

const PACKAGES = ["docker.io", "containerd"];

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
  await installTool(name, [], unpackDocker);
  const root = join(cacheFolders().tools, name);
  return [join(root, "usr/sbin"), join(root, "usr/bin")];
}

/** @param {string} folder */
async function unpackDocker(folder) {
  await step("Fetching the distribution's Docker, unpacked: containers are run with it, too, to compare", (onLine) =>
    unpackDebs(folder, PACKAGES, onLine),
  );
}
