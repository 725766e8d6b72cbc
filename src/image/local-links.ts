import { lstatSync, readlinkSync } from "node:fs";
import { isAbsolute, posix, relative, resolve, sep } from "node:path";

/** Where a symbolic link of a tree leads. */
export type LinkFate =
  /** To something inside the tree, or to nothing: it means the same wherever the tree is put. */
  | { readonly kind: "inside" }
  | { readonly kind: "outside" }
  /** Into the tree, but by the place where the tree is on this machine. */
  | { readonly kind: "absolute"; readonly better: string };

/** As many links in a row as Linux follows. */
const MAX_LINKS = 40;

/**
 * Tells where a link leads, following links of the tree on the way as the system would: `a/../x` is another place if
 * `a` is a link.
 *
 * @param root the tree's real path
 * @param aliases other absolute paths by which the tree is called
 * @param path the link, relative to the root, with `/`; the directories above it are no links
 * @param target the text of the link, with `/`
 */
export function judgeLink(root: string, aliases: readonly string[], path: string, target: string): LinkFate {
  if (!isAbsolute(target)) return isInside(root, path, target) ? { kind: "inside" } : { kind: "outside" };
  for (const name of [root, ...aliases]) {
    const inner = relative(name, resolve(target));
    if (inner === ".." || inner.startsWith(`..${sep}`) || isAbsolute(inner)) continue;
    const better = posix.relative(posix.dirname(`/${path}`), `/${inner.replaceAll(sep, "/")}`);
    return { kind: "absolute", better: better === "" ? "." : better };
  }
  return { kind: "outside" };
}

function isInside(root: string, path: string, target: string): boolean {
  let place = path.split("/").slice(0, -1);
  const ahead = target.split("/");
  for (let links = 0; ahead.length > 0; ) {
    const part = ahead.shift();
    if (part === "" || part === "." || part === undefined) continue;
    if (part === "..") {
      if (place.length === 0) return false;
      place = place.slice(0, -1);
      continue;
    }
    const next = readLinkText([root, ...place, part].join("/"));
    if (next === undefined) place = [...place, part];
    else if (isAbsolute(next)) return false;
    // Links that lead to one another lead nowhere: nothing is outside.
    else if (++links > MAX_LINKS) return true;
    else ahead.unshift(...next.split("/"));
  }
  return true;
}

/** The text of a link with `/`, or undefined for what is no link or is not there. */
function readLinkText(file: string): string | undefined {
  try {
    return lstatSync(file).isSymbolicLink() ? toSlashes(readlinkSync(file)) : undefined;
  } catch {
    return undefined;
  }
}

/** A path of this system with `/`; a backslash that is part of a POSIX name stays. */
export function toSlashes(path: string): string {
  return sep === "/" ? path : path.replaceAll(sep, "/");
}
