import { posix } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type Header, type Pack, pack } from "tar-stream";
import { isOpenComputerError } from "../../../errors";
import type { DirEntry, Step } from "../../../image/image-manifest";
import { entriesOf } from "../../../image/tree";
import { AGENT_INSIDE } from "../host-facts";
import type { StepContext } from "./step-context";

/** Same bytes, same layer: what is added has the first time that zip archives, too, can hold. */
const ADDED_AT = new Date("1980-01-01T00:00:00Z");

/**
 * Arguments: a directory, the owner that the step names or nothing, and whether a directory that is made here is that
 * owner's, too. Makes it and prints the numbers of the owner.
 */
const MAKE_TARGET = `[ -d "$1" ] || made=1
${AGENT_INSIDE} make-dir "$1" || exit 1
owner=$(stat -L -c %u:%g -- "$1")
if [ -n "$2" ]; then
  user=\${2%%:*}
  uid=$(id -u -- "$user" 2>/dev/null) || uid=$user
  gid=$(id -g -- "$user" 2>/dev/null) || gid=$user
  case $2 in *:*)
    group=\${2#*:}
    gid=$(getent group "$group" | cut -d: -f3)
    [ -n "$gid" ] || gid=$group
  esac
  owner=$uid:$gid
  case $owner in *[!0-9:]*) echo "there is no user or group $2 in the image" >&2; exit 1; esac
  [ -z "$3" ] || [ -z "$made" ] || chown "$owner" -- "$1" || exit 1
fi
echo "$owner"`;

type FileArgs = Extract<Step, { type: "add_file" }>["args"];
type DirArgs = Extract<Step, { type: "add_dir" }>["args"];
type Ownership = Pick<FileArgs, "mode" | "owner">;

/** Adds one file; parents are made, and what stands there is replaced. */
export async function addFile(context: StepContext, args: FileArgs): Promise<void> {
  const { path, digest, executable, ...ownership } = args;
  const into = await makeTarget(context, posix.dirname(path), ownership, "");
  await addEntries(context, into, [{ kind: "file", path: posix.basename(path), digest, executable }]);
}

/** Adds a directory's entries; what is there already and not among them stays. */
export async function addDir(context: StepContext, args: DirArgs): Promise<void> {
  const entries = await entriesOf(args, async (digest) => buffer((await context.openBlob(digest)).stream));
  await addEntries(context, await makeTarget(context, args.path, args, "made"), entries);
}

/** Where entries go, whose they are and what they may. */
interface Target {
  readonly dir: string;
  readonly header: Pick<Header, "uid" | "gid" | "mtime">;
  readonly modeOf: (kind: "dir" | "file" | "executable") => number;
}

const DEFAULT_MODES = { dir: 0o755, file: 0o644, executable: 0o755 } as const;

async function makeTarget(
  context: StepContext,
  dir: string,
  { mode, owner }: Ownership,
  made: string,
): Promise<Target> {
  const said = await context.ask(["/bin/sh", "-c", MAKE_TARGET, "sh", dir, owner ?? "", made]);
  const [uid = 0, gid = 0] = said.trim().split(":").map(Number);
  const header = { uid, gid, mtime: ADDED_AT };
  if (mode === undefined) return { dir, header, modeOf: (kind) => DEFAULT_MODES[kind] };
  const bits = Number.parseInt(mode, 8);
  // A directory that may be read must be entered, too, or nobody sees what is in it.
  return { dir, header, modeOf: (kind) => (kind === "dir" ? bits | ((bits & 0o444) >> 2) : bits) };
}

/** One stream of tar into the container: nothing on the host ever follows a path of the image. */
async function addEntries(context: StepContext, target: Target, entries: readonly DirEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const archive = pack();
  // Existing directories keep their owner and mode, also those that are links.
  const options = ["--no-overwrite-dir", "--keep-directory-symlink", "--numeric-owner", "--same-permissions"];
  const packing = packEntries(archive, context, entries, target).catch((error: Error) => {
    archive.destroy(error);
    return error;
  });
  const stdin = Readable.from(archive, { objectMode: false });
  const exitCode = await context.run({ argv: ["tar", "-x", "-f", "-", "-C", target.dir, ...options], stdin });
  const failure = await packing;
  if (isOpenComputerError(failure)) throw failure;
  if (exitCode !== 0) throw context.fail(`unpacking into ${target.dir}`, exitCode);
  if (failure) throw failure;
}

async function packEntries(
  archive: Pack,
  context: StepContext,
  entries: readonly DirEntry[],
  target: Target,
): Promise<void> {
  const made = new Set<string>();
  for (const entry of entries) {
    for (const dir of parentsOf(entry.path)) {
      if (!made.has(dir)) archive.entry({ name: dir, type: "directory", mode: target.modeOf("dir"), ...target.header });
      made.add(dir);
    }
    await packEntry(archive, context, entry, target);
    made.add(entry.path);
  }
  archive.finalize();
}

async function packEntry(archive: Pack, context: StepContext, entry: DirEntry, target: Target): Promise<void> {
  const { header, modeOf } = target;
  switch (entry.kind) {
    case "dir":
      archive.entry({ name: entry.path, type: "directory", mode: modeOf("dir"), ...header });
      return;
    case "link":
      archive.entry({ name: entry.path, type: "symlink", linkname: entry.target, mode: 0o777, ...header });
      return;
    case "file": {
      const { sizeBytes, stream } = await context.openBlob(entry.digest);
      const mode = modeOf(entry.executable ? "executable" : "file");
      await pipeline(stream, archive.entry({ name: entry.path, size: sizeBytes, mode, ...header }));
    }
  }
}

/** Highest first: a/b/c has a and a/b. */
function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
