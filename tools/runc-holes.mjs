import { parseVersion } from "./version-number.mjs";

/**
 * Which versions of runc are open to escapes that are known. The one list: `doctor`, `npm start` and `npm test` read it
 * here, before anything is compiled, and the server's engine has it compiled in.
 */

/**
 * @typedef {object} Hole
 * @property {readonly string[]} cves
 * @property {readonly [string, ...string[]]} mendedIn The first mended version of each line of releases, oldest first;
 *   what is newer than the last is mended, too.
 */

/** @type {readonly Hole[]} */
const HOLES = [
  { cves: ["CVE-2024-21626"], mendedIn: ["1.1.12"] },
  { cves: ["CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"], mendedIn: ["1.2.8", "1.3.3", "1.4.0-rc.3"] },
];

/** What has none of them, for messages. */
export const SOUND_RUNC = "runc 1.2.8, 1.3.3, 1.4.0 or newer";

/**
 * The escapes that a version of runc is open to; one that says nothing of its version is taken for open to all.
 *
 * @param {string} version As runc tells it, for example `1.1.5+ds1`.
 * @returns {readonly string[]}
 */
export function holesOf(version) {
  return HOLES.filter(({ mendedIn }) => !isMended(version, mendedIn)).flatMap(({ cves }) => cves);
}

/**
 * Why a runc is refused, and what to do; undefined where it is not. Distributions mend old versions without changing
 * their number, which only the operator can know: so exactly one version can be accepted by its name.
 *
 * @param {string} version As runc tells it, for example `1.1.5+ds1`.
 * @param {string | undefined} accepted The version that is taken all the same.
 */
export function refusalOf(version, accepted) {
  const holes = holesOf(version);
  if (holes.length === 0 || version === accepted) return undefined;
  return [
    `runc ${version} is open to ${holes.join(", ")}, by which what runs inside gets out`,
    `use ${SOUND_RUNC} (in a clone of the project, npm start builds one) or gVisor's runsc`,
    `or, where your distribution has mended this one, say so: OPENCOMPUTER_ACCEPT_RUNC=${version}`,
  ].join("; ");
}

/**
 * @param {string} version
 * @param {Hole["mendedIn"]} mendedIn
 */
function isMended(version, mendedIn) {
  const found = parse(version);
  if (!found) return false;
  return mendedIn.some((one, index) => {
    const mended = parse(one) ?? [];
    const isSameLine = found[0] === mended[0] && found[1] === mended[1];
    return (isSameLine || index === mendedIn.length - 1) && compare(found, mended) >= 0;
  });
}

/**
 * Major, minor, patch, and the number of the release candidate, above all others where it is none.
 *
 * @param {string} version
 * @returns {readonly number[] | undefined}
 */
function parse(version) {
  const candidate = /^\d+\.\d+\.\d+-rc\.?(\d+)/.exec(version)?.[1];
  const numbers = parseVersion(version);
  return numbers && [...numbers, candidate === undefined ? Number.POSITIVE_INFINITY : Number(candidate)];
}

/**
 * @param {readonly number[]} one
 * @param {readonly number[]} other
 */
function compare(one, other) {
  const at = one.findIndex((part, index) => part !== other[index]);
  return at === -1 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}
