import { DOWNLOADS_INSIDE } from "../host-facts";
import { type Attempt, attemptDownload, runAttempt } from "./attempts";
import type { StepContext } from "./step-context";

const LISTS = `${DOWNLOADS_INSIDE}/lists`;
const APT_ENV = { DEBIAN_FRONTEND: "noninteractive" };
const APT_OPTIONS = [
  "Dpkg::Use-Pty=0",
  "Acquire::Retries=3",
  // Lists and packages lie beside the layer, for later steps; so none of them is in it.
  `Dir::State::lists=${LISTS}/`,
  `Dir::Cache::archives=${DOWNLOADS_INSIDE}/archives/`,
  `Dir::Cache::pkgcache=${DOWNLOADS_INSIDE}/pkgcache.bin`,
  `Dir::Cache::srcpkgcache=${DOWNLOADS_INSIDE}/srcpkgcache.bin`,
  "APT::Keep-Downloaded-Packages=true",
  // Lists as their Release file names them, and none that an installation has no use for.
  "Acquire::GzipIndexes=false",
  "Acquire::Languages=none",
  // An index that could not be renewed is an error, where apt takes an older one and only warns.
  "APT::Update::Error-Mode=any",
  // The whole layer is synced once, at its end.
  "Dpkg::Options::=--force-unsafe-io",
].flatMap((option) => ["-o", option]);

/**
 * Installs packages with apt and their recommendations, as `apt-get install -y` does; leaves no package lists behind. The
 * lists are renewed each time, which costs a request where nothing has changed; what an earlier step downloaded is used
 * again where it is what these lists name.
 */
export async function installAptPackages(context: StepContext, packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  let hasBegun = false;
  await attemptDownload(context, async (number) => {
    if (number > 1) await forgetLists(context);
    const updated = await update(context, number);
    if (updated.exitCode !== 0) return updated;
    // What a package runs may write lists, too.
    if (!hasBegun) await context.sealLists();
    hasBegun = true;
    return install(context, packages);
  });
}

/** Kept lists are a help that must not be a hindrance: where the first try fails, the next does without. */
async function update(context: StepContext, number: number): Promise<Attempt> {
  const updated = await aptGet(context, ["update"]);
  if (updated.exitCode === 0 || number > 1 || !context.wasLent) return updated;
  context.log("apt-get update failed with the lists of an earlier step; trying without them");
  await forgetLists(context);
  return aptGet(context, ["update"]);
}

async function install(context: StepContext, packages: readonly string[]): Promise<Attempt> {
  const request = ["install", "-y", "--", ...packages];
  if (context.wasLent) await lendArchives(context, request);
  return aptGet(context, request);
}

/** Asks apt what it is going to download, by which hash, and gives it what is kept of that. */
async function lendArchives(context: StepContext, request: readonly string[]): Promise<void> {
  const wanted: { name: string; sha256: string }[] = [];
  const onLine = (line: string) => {
    const [, name, sha256] = /^'[^']*' (\S+) \d+ SHA256:([0-9a-f]{64})$/.exec(line) ?? [];
    if (name !== undefined && sha256 !== undefined) wanted.push({ name, sha256 });
    return false;
  };
  // Without the option it tells the hash of another kind, or none.
  const argv = ["apt-get", ...APT_OPTIONS, "-o", "Acquire::ForceHash=SHA256", "--print-uris", ...request] as const;
  // Where it fails, the installation itself fails, and says why.
  await context.run({ argv, env: { ...context.env, ...APT_ENV }, onLine });
  let lent = 0;
  for (const { name, sha256 } of wanted) if (await context.lendArchive(name, sha256)) lent += 1;
  if (lent > 0) context.log(`${lent} of ${wanted.length} packages were downloaded by an earlier step`);
}

async function aptGet(context: StepContext, args: readonly string[]): Promise<Attempt> {
  const command = { argv: ["apt-get", ...APT_OPTIONS, ...args] as const, env: { ...context.env, ...APT_ENV } };
  return runAttempt(context, `apt-get ${args[0]}`, command, isPassingAptError);
}

async function forgetLists(context: StepContext): Promise<void> {
  await context.ask(["find", LISTS, "-mindepth", "1", "-type", "f", "-delete"]);
}

/**
 * Whether a line of apt says that a download failed in a way that may pass. A package that an index names and that is not
 * there (404) means that the index is old.
 */
export function isPassingAptError(line: string): boolean {
  return /^[EW]: .*(Failed to fetch|Hash Sum mismatch|unexpected size|index files failed|Unable to fetch|Connection (failed|timed out)|Could not (connect|resolve)|Temporary failure|Clearsigned file isn't valid|Mirror sync)/.test(
    line,
  );
}
