/**
 * The first `x.y` or `x.y.z` in a text, for example in `runc version 1.1.5+ds1` or `v3.250.0`.
 *
 * @param {string} text
 * @returns {readonly [number, number, number] | undefined}
 */
export function parseVersion(text) {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] : undefined;
}

/**
 * True where the version in `text` is `minimum` or newer; false where there is none.
 *
 * @param {string} text
 * @param {string} minimum
 */
export function isAtLeast(text, minimum) {
  const [found, floor] = [parseVersion(text), parseVersion(minimum)];
  if (!found || !floor) return false;
  for (const [index, part] of found.entries()) {
    const wanted = floor[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
