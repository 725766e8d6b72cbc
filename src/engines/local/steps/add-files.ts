import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Header, type Pack, pack } from "tar-stream";
import { isOpenComputerError } from "../../../errors";
import type { DirEntry } from "../../../image/step";
import { MAKE_PARENTS } from "../file-scripts";
import type { StepContext } from "./step-context";

/** Same bytes, same layer: what is added has the first time that zip archives, too, can hold. */
const ADDED_AT = new Date("1980-01-01T00:00:00Z");

/** Argument: a directory. Makes it and prints whose it is to be. */
const MAKE_TARGET = `${MAKE_PARENTS}
make_parents "$1" && echo "$owner"`;

/** Adds one file; parents are made, and what stands there is replaced. */
export async function addFile(
  context: StepContext,
  args: { path: string; digest: string; executable: boolean },
): Promise<void> {
  const { path, digest, executable } = args;
  await addEntries(context, posix.dirname(path), [{ kind: "file", path: posix.basename(path), digest, executable }]);
}

/** Adds a directory's entries below `path`; what is there already and not among them stays. */
export async function addDir(context: StepContext, path: string, entries: readonly DirEntry[]): Promise<void> {
  await addEntries(context, path, entries);
}

/** One stream of tar into the container: nothing on the host ever follows a path of the image. */
async function addEntries(context: StepContext, into: string, entries: readonly DirEntry[]): Promise<void> {
  const [uid = 0, gid = 0] = (await context.ask(["/bin/sh", "-c", MAKE_TARGET, "sh", into]))
    .trim()
    .split(":")
    .map(Number);
  if (entries.length === 0) return;
  const archive = pack();
  // Existing directories keep their owner and mode, also those that are links.
  const options = ["--no-overwrite-dir", "--keep-directory-symlink", "--numeric-owner", "--same-permissions"];
  const packing = packEntries(archive, context, entries, { uid, gid, mtime: ADDED_AT }).catch((error: Error) => {
    archive.destroy(error);
    return error;
  });
  const stdin = Readable.from(archive, { objectMode: false });
  const exitCode = await context.run({ argv: ["tar", "-x", "-f", "-", "-C", into, ...options], stdin });
  const failure = await packing;
  if (isOpenComputerError(failure)) throw failure;
  if (exitCode !== 0) throw context.fail(`unpacking into ${into}`, exitCode);
  if (failure) throw failure;
}

type Owner = Pick<Header, "uid" | "gid" | "mtime">;

async function packEntries(
  archive: Pack,
  context: StepContext,
  entries: readonly DirEntry[],
  owner: Owner,
): Promise<void> {
  const made = new Set<string>();
  for (const entry of entries) {
    for (const dir of parentsOf(entry.path)) {
      if (!made.has(dir)) archive.entry({ name: dir, type: "directory", mode: 0o755, ...owner });
      made.add(dir);
    }
    await packEntry(archive, context, entry, owner);
    made.add(entry.path);
  }
  archive.finalize();
}

async function packEntry(archive: Pack, context: StepContext, entry: DirEntry, owner: Owner): Promise<void> {
  switch (entry.kind) {
    case "dir":
      archive.entry({ name: entry.path, type: "directory", mode: 0o755, ...owner });
      return;
    case "link":
      archive.entry({ name: entry.path, type: "symlink", linkname: entry.target, mode: 0o777, ...owner });
      return;
    case "file": {
      const { sizeBytes, stream } = await context.openBlob(entry.digest);
      const mode = entry.executable ? 0o755 : 0o644;
      await pipeline(stream, archive.entry({ name: entry.path, size: sizeBytes, mode, ...owner }));
    }
  }
}

/** Highest first: a/b/c has a and a/b. */
function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
