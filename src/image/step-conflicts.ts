import { ENVIRONMENT_LIMIT, isEnvironment } from "./argument-size";
import type { Step } from "./image-manifest";
import { parentsOf } from "./image-path";

/**
 * Steps that cannot but fail, because an `add_file` before them made a file of a directory that they need, or put a file
 * into what they want to be one. After commands and packages, which may do anything, nothing is sure.
 *
 * @param steps not all of them need be steps: those that are none are for the schema to tell
 */
export function findStepConflicts(steps: readonly unknown[]): StepConflict[] {
  const files = new Map<string, number>();
  return steps.flatMap((step, index) => {
    const place = placeOf(step);
    if (place === undefined) {
      if (mayDoAnything(step)) files.clear();
      return [];
    }
    const message = explainConflict(files, place);
    note(files, place, index);
    return message === undefined ? [] : [{ path: [index, "args", "path"], message }];
  });
}

/**
 * Services that are not the last step: they start in the finished image, which is frozen with them where memory can be
 * kept, so nothing can follow, and there is one.
 *
 * @param steps as for {@link findStepConflicts}
 */
export function findEarlyStarts(steps: readonly unknown[]): StepConflict[] {
  return steps.slice(0, -1).flatMap((step, index) => {
    if ((step as Partial<Step> | null)?.type !== "start_command") return [];
    return [{ path: [index], message: START_IS_LAST }];
  });
}

const START_IS_LAST =
  "must be the last step of the image, and the only one of its kind: call startCommand after everything else; " +
  "of several services, let one command start all";

/**
 * Variables that are together more than any command can start with: told where they become too many.
 *
 * @param steps as for {@link findStepConflicts}
 */
export function findLargeEnvironment(steps: readonly unknown[]): StepConflict[] {
  let all: Record<string, string> = {};
  for (const [index, step] of steps.entries()) {
    const { type, args } = (step ?? {}) as Partial<Step>;
    const { vars } = (args ?? {}) as { readonly vars?: Readonly<Record<string, string>> };
    if (type !== "env" || vars === undefined || !isEnvironment(vars)) continue;
    all = { ...all, ...vars };
    if (!isEnvironment(all))
      return [{ path: [index, "args", "vars"], message: `and those before it ${ENVIRONMENT_LIMIT}` }];
  }
  return [];
}

/** What is wrong, and where in the list of steps. */
interface StepConflict {
  readonly path: (string | number)[];
  readonly message: string;
}

/** Where a step puts something. */
interface StepPlace {
  readonly type: "workdir" | "add_file" | "add_dir";
  readonly path: string;
}

function placeOf(step: unknown): StepPlace | undefined {
  const { type, args } = (step ?? {}) as Partial<Step>;
  if (type !== "workdir" && type !== "add_file" && type !== "add_dir") return undefined;
  const { path } = (args ?? {}) as { readonly path?: unknown };
  return typeof path === "string" ? { type, path } : undefined;
}

function mayDoAnything(step: unknown): boolean {
  const { type } = (step ?? {}) as Partial<Step>;
  return type === "run" || type === "apt_install" || type === "pip_install";
}

function explainConflict(files: ReadonlyMap<string, number>, { type, path }: StepPlace): string | undefined {
  const directories = type === "add_file" ? parentsOf(path) : [...parentsOf(path), path];
  for (const directory of directories) {
    const index = files.get(directory);
    if (index !== undefined) return `needs the directory ${directory}, which step ${index + 1} made a file`;
  }
  if (type !== "add_file") return undefined;
  const [inside, index = 0] = [...files].find(([file]) => file.startsWith(`${path}/`)) ?? [];
  return inside === undefined ? undefined : `is a directory, into which step ${index + 1} put ${inside}`;
}

function note(files: Map<string, number>, { type, path }: StepPlace, index: number): void {
  if (type === "add_file") files.set(path, index);
  if (type !== "add_dir") return;
  // What a directory brings may take the place of files.
  for (const file of files.keys()) if (file.startsWith(path === "/" ? "/" : `${path}/`)) files.delete(file);
}
