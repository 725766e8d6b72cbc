/**
 * How apt keeps the indexes of archives: one directory, each file named after its address. A `Release` file, signed,
 * tells the hashes of the `Packages` files beside it, and these the hashes of packages.
 */

/** Files that apt keeps lists in and that may be kept for the next step. */
export const LIST_FILE = /^[^/]+_(InRelease|Release|Release\.gpg|Packages)$/;

const RELEASE_FILE = /^(.+_)(?:InRelease|Release)$/;

/** Whether this is a file that vouches for others. */
export function isRelease(name: string): boolean {
  return RELEASE_FILE.test(name);
}

/**
 * The SHA-256 that a `Release` file tells of each list beside it, by the names that apt keeps them under.
 *
 * @example claimsOf("deb.example.org_dists_x_Release", "SHA256:\n ab…  12 main/binary-amd64/Packages")
 */
export function claimsOf(releaseName: string, text: string): Map<string, string> {
  const prefix = RELEASE_FILE.exec(releaseName)?.[1];
  const claims = new Map<string, string>();
  if (prefix === undefined) return claims;
  const block = /^SHA256:[ \t]*\n((?:[ \t]+\S.*\n?)+)/m.exec(text)?.[1] ?? "";
  for (const [, sha256 = "", path = ""] of block.matchAll(/^[ \t]+([0-9a-f]{64})[ \t]+\d+[ \t]+(\S+)$/gm)) {
    claims.set(`${prefix}${toListName(path)}`, sha256);
  }
  return claims;
}

/** As apt escapes an address to make it a name. */
function toListName(path: string): string {
  return path.replaceAll("_", "%5f").replaceAll("/", "_");
}
