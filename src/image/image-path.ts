import { z } from "zod";
import { isUnicode, NOT_UNICODE } from "./unicode";

/** Linux takes so many bytes in one name, and in one path with the NUL that ends it. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4095;
/** Deeper than any program nests what it ships, and so few that who checks or unpacks a directory is done in time. */
const MAX_DEPTH = 128;
const TOO_DEEP = `must not have more than ${MAX_DEPTH} parts`;

/** An absolute, normalised POSIX path: no `..`, no NUL, nothing under the kernel's own trees. */
export const absolutePathSchema = z
  .string()
  .refine((path) => path.startsWith("/"), "must be an absolute path such as /workspace")
  .refine((path) => !path.includes("\0"), "must not contain a NUL byte")
  .refine(isUnicode, NOT_UNICODE)
  .refine((path) => !path.split("/").includes(".."), "must not contain '..'")
  .refine((path) => !/^\/(proc|sys|dev)(\/|$)/.test(normalisePath(path)), "must not be under /proc, /sys or /dev")
  .refine(hasShortNames, `must not have a name of more than ${MAX_NAME_BYTES} bytes`)
  .transform(normalisePath)
  .refine(isShallow, TOO_DEEP)
  .refine(isShort, `must have at most ${MAX_PATH_BYTES} bytes`);

/** The absolute path of a file. One that ends in a slash names a directory: the file's name is missing. */
export const filePathSchema = z
  .string()
  .refine(
    (path) => !/\/\.?$/.test(path),
    "must name the file, not the directory that it is put into: /etc/motd, not /etc/",
  )
  .pipe(absolutePathSchema);

/** The path of an entry within its directory. */
export const relativePathSchema = z
  .string()
  .min(1)
  .refine((path) => !path.startsWith("/") && !path.includes("\0"), "must be a relative path")
  .refine(isUnicode, NOT_UNICODE)
  .refine(
    (path) => path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    "must not contain empty, '.' or '..' parts",
  )
  .refine(hasShortNames, `must not have a name of more than ${MAX_NAME_BYTES} bytes`)
  .refine(isShallow, TOO_DEEP)
  .refine(isShort, `must have at most ${MAX_PATH_BYTES} bytes`);

/** What a link says: any text that the system takes. */
export const linkTargetSchema = z
  .string()
  .min(1)
  .refine((target) => !target.includes("\0"), "must not contain a NUL byte")
  .refine(isUnicode, NOT_UNICODE)
  .refine(isShort, `must have at most ${MAX_PATH_BYTES} bytes`);

/** The directories that a path is in, highest first: `a/b/c` has `a` and `a/b`, `/a/b` has `/a`. */
export function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) parents.push(path.slice(0, end));
  return parents;
}

function hasShortNames(path: string): boolean {
  return path.split("/").every((part) => Buffer.byteLength(part) <= MAX_NAME_BYTES);
}

function isShallow(path: string): boolean {
  return path.split("/").filter(Boolean).length <= MAX_DEPTH;
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_PATH_BYTES;
}

function normalisePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return `/${parts.join("/")}`;
}
