/** Structural equality of JSON values; an absent map and an empty one are the same. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isMap(a) || !isMap(b)) return false;
  const left = Object.entries(a ?? {});
  const right: Readonly<Record<string, unknown>> = { ...b };
  return left.length === Object.keys(right).length && left.every(([key, value]) => isSame(value, right[key]));
}

function isMap(value: unknown): value is object | null | undefined {
  return typeof value === "object" || value === undefined;
}
