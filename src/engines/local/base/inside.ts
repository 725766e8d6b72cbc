import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { OpenComputerError } from "../../../errors";

/** As many links as the kernel follows in one path. */
const MAX_LINKS = 40;

/**
 * Where a path of a root filesystem is on this machine, its links followed as a process inside would: an absolute
 * target starts at the root of the tree, and `..` stops there. Every part of the result but the last exists; none is
 * a link. Safe as long as nobody else changes the tree.
 *
 * @throws invalid_input where a part is no directory, is missing, or links run in a circle
 */
export function locateInside(root: string, path: string): string {
  const done: string[] = [];
  const todo = path.split("/");
  let links = 0;
  while (todo.length > 0) {
    const part = todo.shift();
    if (part === undefined || part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = join(root, ...done, part);
    const target = linkTarget(here);
    if (target === undefined) {
      if (todo.some((rest) => rest !== "") && !isDirectory(here)) throw unusable(path, `/${[...done, part].join("/")}`);
      done.push(part);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw unusable(path, `/${[...done, part].join("/")}`);
    if (target.startsWith("/")) done.length = 0;
    todo.unshift(...target.split("/"));
  }
  return join(root, ...done);
}

/** Whether anything, other than a dangling link, is at that path inside. */
export function isInside(root: string, path: string): boolean {
  try {
    return lstatSync(locateInside(root, path), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (error instanceof OpenComputerError) return false;
    throw error;
  }
}

/** Accounts, names and their like are small. */
const MAX_READ_BYTES = 4 * 1024 * 1024;

/**
 * The text of a file inside; empty where there is none.
 *
 * @throws invalid_input where it is none that anybody wrote
 */
export function readInside(root: string, path: string): string {
  if (!isInside(root, path)) return "";
  const location = locateInside(root, path);
  const stats = lstatSync(location);
  if (!stats.isFile()) return "";
  if (stats.size <= MAX_READ_BYTES) return readFileSync(location, "utf8");
  const message = `the base root filesystem cannot be used: ${path} has ${stats.size} bytes, more than ${MAX_READ_BYTES}`;
  throw new OpenComputerError("invalid_input", message);
}

/** Makes a directory and its parents inside; what is there and is none is replaced. Returns where it is. */
export function makeDirInside(root: string, path: string, mode: number, owner = 0): string {
  let location = root;
  const parts = path.split("/").filter((part) => part !== "");
  for (const [index, part] of parts.entries()) {
    const parent = parts.slice(0, index).join("/");
    location = locateInside(root, `${parent}/${part}`);
    if (isDirectory(location)) continue;
    rmSync(location, { force: true });
    mkdirSync(location);
    setOwnerAndMode(location, constants.O_DIRECTORY, 0, 0o755);
  }
  setOwnerAndMode(location, constants.O_DIRECTORY, owner, mode);
  return location;
}

/** Writes a file inside in place of whatever has that name, be it a link. Its directory is made where it is missing. */
export function writeInside(root: string, file: { path: string; mode: number; content: string; owner?: number }): void {
  const slash = file.path.lastIndexOf("/");
  const folder = file.path.slice(0, slash);
  const parent = isInside(root, folder) ? locateInside(root, folder) : makeDirInside(root, folder, 0o755);
  const location = join(parent, file.path.slice(slash + 1));
  rmSync(location, { force: true, recursive: true });
  writeFileSync(location, file.content, { flag: "wx" });
  setOwnerAndMode(location, 0, file.owner ?? 0, file.mode);
}

// By handle: neither the process's umask nor a link has a say.
function setOwnerAndMode(location: string, flags: number, owner: number, mode: number): void {
  const handle = openSync(location, constants.O_RDONLY | constants.O_NOFOLLOW | flags);
  try {
    fchownSync(handle, owner, owner);
    fchmodSync(handle, mode);
  } finally {
    closeSync(handle);
  }
}

function linkTarget(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function unusable(path: string, part: string): OpenComputerError {
  return new OpenComputerError(
    "invalid_input",
    `the base root filesystem cannot be used: ${part}, on the way to ${path}, is no directory that can be entered`,
  );
}
