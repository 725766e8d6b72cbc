/**
 * True for a value that Pulumi knows only later: it takes a function (`apply`) that waits for it. Told by its shape,
 * because images are made without Pulumi, too.
 */
export function isOutput(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "apply") === "function";
}

/** What to do with one. */
export const OUTPUT_ADVICE =
  "not an Output; make the image where the value is known: output.apply((v) => Image.base()…)";
