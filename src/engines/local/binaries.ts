import { existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
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

/** Where programs may be: on the host's PATH, in the standard places, then in the cache. */
export function searchDirs(path: string | undefined, cacheDir: string): string[] {
  const standard = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  return [...(path ?? "").split(delimiter).filter(Boolean), ...standard, join(cacheDir, "bin")];
}

const HOST_TOOLS = {
  unshare: "util-linux",
  flock: "util-linux",
  ip: "iproute2",
  nft: "nftables",
} as const;

const HOW_TO_GET: Record<RuntimeKind, string> = {
  runsc: "install gVisor (https://gvisor.dev/docs/user_guide/install/), or set OPENCOMPUTER_RUNTIME=runc",
  runc: "install it, for example with `apt-get install runc`",
  crun: "install it, for example with `apt-get install crun`",
};

/** Where `npm run build` puts native programs for machines like this one, also where this runs from the sources. */
function ownPrograms(): string {
  const fromSources = join(__dirname, "../../../dist");
  const dist = existsSync(fromSources) ? fromSources : join(__dirname, "../../..");
  return join(dist, "agent", process.arch);
}

/**
 * Finds everything in these directories, the first that has it; the agent is part of this package.
 *
 * @throws requirement_missing naming what is missing and how to get it
 */
export async function findBinaries(
  wanted: RuntimeKind | "auto",
  dirs: readonly string[],
  own = ownPrograms(),
): Promise<Binaries> {
  for (const [tool, parcel] of Object.entries(HOST_TOOLS)) {
    if (!(await findProgram(tool, dirs))) {
      throw missing(`the program ${tool}`, `install it, for example with \`apt-get install ${parcel}\``);
    }
  }
  const [agent, hand] = [await findOwn("agent", own), await findOwn("hand", own)];
  return { runtime: await findRuntime(wanted, dirs), agent, hand };
}

async function findRuntime(wanted: RuntimeKind | "auto", dirs: readonly string[]): Promise<RuntimeBinary> {
  const kinds: readonly RuntimeKind[] = wanted === "auto" ? ["runsc", "runc"] : [wanted];
  for (const kind of kinds) {
    const path = await findProgram(kind, dirs);
    if (path) return { kind, path, version: await readVersion(path) };
  }
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

async function findProgram(name: string, dirs: readonly string[]): Promise<string | null> {
  for (const dir of dirs) {
    if (await isExecutable(join(dir, name))) return join(dir, name);
  }
  return null;
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
