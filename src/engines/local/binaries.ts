import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { OpenComputerError } from "../../errors";
import { runCommand } from "./command";
import type { RuntimeKind } from "./oci-spec";

/** The programs of the machine that the engine stands on. */
export interface Binaries {
  readonly runtime: RuntimeBinary;
  readonly init: InitBinary;
}

export interface RuntimeBinary {
  readonly kind: RuntimeKind;
  readonly path: string;
  readonly version: string;
}

/** PID 1 of every container: reaps orphans and does nothing else. */
export interface InitBinary {
  readonly path: string;
  /** Its arguments, so that it waits for ever. */
  readonly args: readonly string[];
}

/** Where programs may be: on the host's PATH, in the standard places, then in the cache. */
export function searchDirs(path: string | undefined, cacheDir: string): string[] {
  const standard = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  return [...(path ?? "").split(delimiter).filter(Boolean), ...standard, join(cacheDir, "bin")];
}

const HOST_TOOLS = {
  mount: "mount",
  umount: "mount",
  unshare: "util-linux",
  nsenter: "util-linux",
  flock: "util-linux",
  ip: "iproute2",
  nft: "nftables",
} as const;

const HOW_TO_GET: Record<RuntimeKind, string> = {
  runsc: "install gVisor (https://gvisor.dev/docs/user_guide/install/), or set OPENCOMPUTER_RUNTIME=runc",
  runc: "install it, for example with `apt-get install runc`",
  crun: "install it, for example with `apt-get install crun`",
};

/**
 * Finds everything in these directories, the first that has it.
 *
 * @throws requirement_missing naming what is missing and how to get it
 */
export async function findBinaries(wanted: RuntimeKind | "auto", dirs: readonly string[]): Promise<Binaries> {
  for (const [tool, parcel] of Object.entries(HOST_TOOLS)) {
    if (!(await findProgram(tool, dirs))) {
      throw missing(`the program ${tool}`, `install it, for example with \`apt-get install ${parcel}\``);
    }
  }
  return { runtime: await findRuntime(wanted, dirs), init: await findInit(dirs) };
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

async function findInit(dirs: readonly string[]): Promise<InitBinary> {
  const catatonit = await findProgram("catatonit", dirs);
  if (catatonit) return { path: catatonit, args: ["-P"] };
  const tini = await findProgram("tini-static", dirs);
  if (tini) return { path: tini, args: ["--", "sleep", "infinity"] };
  throw missing("catatonit (or tini-static)", "install it, for example with `apt-get install catatonit`");
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
