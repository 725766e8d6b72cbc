import { existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { refusalOf, SOUND_RUNC } from "../../../tools/runc-holes.mjs";
import { OpenComputerError } from "../../errors";
import { runCommand } from "./command";
import type { RuntimeKind } from "./oci-spec";

/** The programs of the machine that the engine stands on. */
export interface Binaries {
  readonly runtime: RuntimeBinary;
  /** PID 1 of every container, which runs its commands. */
  readonly agent: string;
  /** Does for the engine what only a native program can; see hand.ts. */
  readonly hand: string;
}

export interface RuntimeBinary {
  readonly kind: RuntimeKind;
  readonly path: string;
  readonly version: string;
}

/** Which runtime is wanted. */
export interface RuntimeWish {
  /** `auto` is runsc where it is there, else runc. */
  readonly runtime: RuntimeKind | "auto";
  /** The version of a runc that is taken although that version is open to known escapes. Default: none. */
  readonly acceptRunc?: string;
}

/** Where programs may be: on the host's PATH, in the standard places, then in the cache. */
export function searchDirs(path: string | undefined, cacheDir: string): string[] {
  const standard = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  return [...new Set([...(path ?? "").split(delimiter).filter(Boolean), ...standard, join(cacheDir, "bin")])];
}

const HOST_TOOLS = {
  unshare: "util-linux",
  flock: "util-linux",
  ip: "iproute2",
  nft: "nftables",
} as const;

const HOW_TO_GET: Record<RuntimeKind, string> = {
  runsc: "install gVisor (https://gvisor.dev/docs/user_guide/install/), or set OPENCOMPUTER_RUNTIME=runc",
  runc: `install ${SOUND_RUNC}, for example with \`apt-get install runc\``,
  crun: "install it, for example with `apt-get install crun`",
};

/** Where `npm run build` puts native programs for machines like this one, also where this runs from the sources. */
function ownPrograms(): string {
  const fromSources = join(__dirname, "../../../dist");
  const dist = existsSync(fromSources) ? fromSources : join(__dirname, "../../..");
  return join(dist, "agent", process.arch);
}

/**
 * Finds everything in these directories, the first that has it; the agent is part of this package. A runc that is open to
 * known escapes is passed over, and where there is no other, nothing runs.
 *
 * @throws requirement_missing naming what is missing and how to get it
 */
export async function findBinaries(wish: RuntimeWish, dirs: readonly string[], own = ownPrograms()): Promise<Binaries> {
  for (const [tool, parcel] of Object.entries(HOST_TOOLS)) {
    if ((await findPrograms(tool, dirs)).length === 0) {
      throw missing(`the program ${tool}`, `install it, for example with \`apt-get install ${parcel}\``);
    }
  }
  const [agent, hand] = [await findOwn("agent", own), await findOwn("hand", own)];
  return { runtime: await findRuntime(wish, dirs), agent, hand };
}

async function findRuntime(wish: RuntimeWish, dirs: readonly string[]): Promise<RuntimeBinary> {
  const { runtime: wanted } = wish;
  const refusals: string[] = [];
  for (const kind of wanted === "auto" ? (["runsc", "runc"] as const) : [wanted]) {
    for (const path of await findPrograms(kind, dirs)) {
      const version = await readVersion(path);
      const refusal = kind === "runc" ? refusalOf(version, wish.acceptRunc) : undefined;
      if (refusal === undefined) return { kind, path, version };
      refusals.push(`the local engine runs nothing with ${path}: ${refusal}`);
    }
  }
  if (refusals[0] !== undefined) throw new OpenComputerError("requirement_missing", refusals[0]);
  if (wanted !== "auto") throw missing(`the container runtime ${wanted}`, HOW_TO_GET[wanted]);
  throw missing("a container runtime (runsc or runc)", `${HOW_TO_GET.runc}; or ${HOW_TO_GET.runsc}`);
}

async function readVersion(path: string): Promise<string> {
  const firstLine = (await runCommand(path, ["--version"])).split("\n")[0] ?? "";
  return firstLine.replace(/^\S+ version:? /, "").trim();
}

async function findOwn(name: string, dir: string): Promise<string> {
  const path = join(dir, `opencomputer-${name}`);
  if (await isExecutable(path)) return path;
  const what = `its own ${name} for ${process.arch}, expected at ${path}`;
  const howToGet =
    "run `npm run build` in a clone of the project on such a machine, with a C compiler (`apt-get install gcc libc6-dev`)";
  throw new OpenComputerError("requirement_missing", `the local engine needs ${what}: ${howToGet}`);
}

/** All of a name, in the order of the directories. */
async function findPrograms(name: string, dirs: readonly string[]): Promise<string[]> {
  const paths = dirs.map((dir) => join(dir, name));
  const found = await Promise.all(paths.map(isExecutable));
  return paths.filter((_, index) => found[index]);
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function missing(what: string, howToGet: string): OpenComputerError {
  const message = `the local engine needs ${what}, which is neither on PATH nor in the cache: ${howToGet}`;
  return new OpenComputerError("requirement_missing", message);
}
