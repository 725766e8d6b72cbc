import { isDeepStrictEqual } from "node:util";
import type { Properties } from "../context";

/** What a difference is, and whether it is why the resource is replaced. */
export interface PropertyDifference {
  readonly kind: "add" | "delete" | "update";
  readonly replaces: boolean;
  /** Whether the old value stands in the old inputs; else it is what the server said. */
  readonly inInputs: boolean;
}

/**
 * Where old and new differ, as paths of inputs (`image.steps[1]`, `files["/etc/motd"]`, `labels.team`): only real edits, so
 * that a step that is put in at the top does not make all that follow look changed.
 *
 * @param replaces the properties that the handlers say the resource is replaced for
 */
export function describeDifferences(
  olds: { readonly inputs: Properties; readonly outs: Properties },
  news: Properties,
  replaces: readonly string[],
): ReadonlyMap<string, PropertyDifference> {
  const differences = new Map<string, PropertyDifference>();
  const isReplacing = (property: string) =>
    replaces.includes(property) || (FOLLOWS_IMAGE.has(property) && replaces.includes("contentHash"));
  for (const property of visibleNames(olds.inputs, news)) {
    for (const [path, kind] of compare(property, olds.inputs[property], news[property])) {
      differences.set(path, { kind, replaces: isReplacing(property), inInputs: true });
    }
  }
  // What moved on the server has an old value in the outputs alone.
  for (const property of replaces) {
    if (!isDeepStrictEqual(olds.inputs[property], news[property])) continue;
    differences.set(property, { kind: "update", replaces: true, inInputs: false });
  }
  return differences;
}

type Kind = PropertyDifference["kind"];

/** The image, and what check makes of it. */
const FOLLOWS_IMAGE: ReadonlySet<string> = new Set(["image", "files", "ref"]);

/** `steps` tells the image's steps once more. */
function visibleNames(olds: Properties, news: Properties): string[] {
  const names = new Set([...Object.keys(olds), ...Object.keys(news)]);
  return [...names].filter((name) => !name.startsWith("__") && name !== "steps");
}

function compare(property: string, before: unknown, after: unknown): [path: string, kind: Kind][] {
  if (property === "image") return compareImages(before, after);
  return compareValues(property, before, after);
}

/** Maps are compared by their members, everything else as a whole. */
function compareValues(path: string, before: unknown, after: unknown): [string, Kind][] {
  if (isDeepStrictEqual(before, after)) return [];
  if (before === undefined) return [[path, "add"]];
  if (after === undefined) return [[path, "delete"]];
  if (!isRecord(before) || !isRecord(after)) return [[path, "update"]];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => compareValues(toMember(path, name), before[name], after[name]));
}

/** The members of an image as they are; of its steps, those that are in one and not in the other. */
function compareImages(before: unknown, after: unknown): [string, Kind][] {
  if (!isImageRecord(before) || !isImageRecord(after)) return compareValues("image", before, after);
  const { steps: oldSteps, ...oldRest } = before;
  const { steps: newSteps, ...newRest } = after;
  return [...compareValues("image", oldRest, newRest), ...compareSteps(oldSteps, newSteps)];
}

function compareSteps(before: readonly unknown[], after: readonly unknown[]): [string, Kind][] {
  const kept = longestCommon(before, after);
  const gone = new Set([...before.keys()].filter((index) => !kept.before.has(index)));
  const fresh = new Set([...after.keys()].filter((index) => !kept.after.has(index)));
  const both = [...fresh].filter((index) => gone.has(index));
  // Where only the bytes of added files differ, `files` names them.
  const told = both.filter((index) => isSamePlace(before[index], after[index]));
  return [...new Set([...gone, ...fresh])]
    .filter((index) => !told.includes(index))
    .sort((a, b) => a - b)
    .map((index) => [`image.steps[${index}]`, both.includes(index) ? "update" : gone.has(index) ? "delete" : "add"]);
}

/** The places in both lists of a longest common subsequence. */
function longestCommon(before: readonly unknown[], after: readonly unknown[]) {
  const lengths = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  const lengthAt = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const longer = Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
      (lengths[i] as number[])[j] = isDeepStrictEqual(before[i], after[j]) ? lengthAt(i + 1, j + 1) + 1 : longer;
    }
  }
  const kept = { before: new Set<number>(), after: new Set<number>() };
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (isDeepStrictEqual(before[i], after[j])) {
      kept.before.add(i++);
      kept.after.add(j++);
    } else if (lengthAt(i + 1, j) >= lengthAt(i, j + 1)) i++;
    else j++;
  }
  return kept;
}

/** Whether two steps add files to the same place in the same way. */
function isSamePlace(before: unknown, after: unknown): boolean {
  const [old, fresh] = [withoutContent(before), withoutContent(after)];
  return old !== undefined && isDeepStrictEqual(old, fresh);
}

function withoutContent(step: unknown): unknown {
  if (!isRecord(step) || !isRecord(step["args"]) || !/^add_/.test(String(step["type"]))) return undefined;
  const { digest: _digest, entries: _entries, tree: _tree, executable: _executable, ...args } = step["args"];
  return { ...step, args };
}

/** The engine's property path: `a.b`, or `a["x.y"]` where a name is more than letters and digits. */
function toMember(path: string, name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
}

function isImageRecord(value: unknown): value is { readonly steps: readonly unknown[] } {
  return isRecord(value) && Array.isArray(value["steps"]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
