/** A file and how large it is. */
export interface SizedFile {
  /** Within what was added, with `/`; empty where that is the file itself. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** A file, or a directory with all that is in it. */
export interface SizedPath {
  readonly path: string;
  readonly files: readonly SizedFile[];
}

/** What files weigh where bytes count. */
export function sizeOf(files: readonly SizedFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0);
}

/** {@link largestPaths} as a sentence. @example "The largest: ./app/node_modules (2.1 GiB), ./app/data (310.0 MiB)" */
export function describeLargest(
  added: readonly SizedPath[],
  weigh: (files: readonly SizedFile[]) => number,
  show: (weight: number) => string,
): string {
  const paths = largestPaths(added, weigh).map(({ path, files }) => `${path} (${show(weigh(files))})`);
  return `The largest: ${paths.join(", ")}`;
}

const SHOWN = 5;
/** A directory is told by what is in it where {@link SHOWN} of those say this much of it. */
const TELLING = 0.75;

/**
 * The few paths that weigh most, heaviest first: neither a root that says nothing nor files that say too little, but the
 * directories between them that somebody would leave out.
 *
 * @example a project whose `web/node_modules` has a thousand packages gives `./app/web/node_modules`, then `./app/data`
 */
export function largestPaths(added: readonly SizedPath[], weigh: (files: readonly SizedFile[]) => number): SizedPath[] {
  const sort = (paths: readonly SizedPath[]) => [...paths].sort((a, b) => weigh(b.files) - weigh(a.files));
  const sum = (paths: readonly SizedPath[]) => paths.reduce((total, { files }) => total + weigh(files), 0);
  const total = sum(added);
  for (let paths = sort(added); ; ) {
    const [first, ...others] = paths;
    const parts = first && 2 * weigh(first.files) > total ? sort(partsOf(first)) : [];
    if (!first || sum(parts.slice(0, SHOWN)) < TELLING * weigh(first.files) || parts.length === 0) {
      return paths.slice(0, SHOWN);
    }
    paths = sort([...parts, ...others]);
  }
}

/** What is directly in a directory; nothing for a file. */
function partsOf({ path, files }: SizedPath): SizedPath[] {
  const parts = new Map<string, SizedFile[]>();
  for (const file of files) {
    const [name = "", ...rest] = file.path.split("/");
    if (name === "") continue;
    const part = parts.get(name) ?? [];
    part.push({ path: rest.join("/"), sizeBytes: file.sizeBytes });
    parts.set(name, part);
  }
  const root = path.replace(/(?<=.)\/$/, "");
  return [...parts].map(([name, inside]) => ({ path: `${root === "/" ? "" : root}/${name}`, files: inside }));
}
