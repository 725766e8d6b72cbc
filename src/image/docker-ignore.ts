import { posix } from "node:path";
import { escapeRegExp, literalPrefix, type PathRules } from "./path-rules";

/** One line of a `.dockerignore`. */
interface DockerRule {
  readonly pattern: string;
  readonly regexp: RegExp;
  /** `!`: brings back what earlier lines left out. */
  readonly isException: boolean;
}

/**
 * The rules of a `.dockerignore`, as Docker reads them
 * (https://docs.docker.com/build/concepts/context/#dockerignore-files): patterns start at the root of the tree, `**` stands
 * for any number of directories, the last line that matches a path or a directory above it decides. The same on every
 * platform: `/` separates, `\` escapes, case counts.
 *
 * @throws SyntaxError naming a pattern that is none
 */
export function parseDockerIgnore(text: string): PathRules {
  const rules = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap(parseLine);
  const exceptions = rules.filter((rule) => rule.isException).map((rule) => literalPrefix(rule.pattern));
  return {
    match: (path) => {
      const lineage = toLineage(path);
      return rules.findLast((rule) => lineage.some((one) => rule.regexp.test(one)))?.isException === false;
    },
    exceptions,
  };
}

function parseLine(line: string): DockerRule[] {
  const text = line.trim();
  if (line.startsWith("#") || text === "") return [];
  const isException = text.startsWith("!");
  const pattern = cleanPattern(isException ? text.slice(1).trim() : text);
  return pattern === "" ? [] : [{ pattern, regexp: toRegExp(pattern), isException }];
}

/** As Go's filepath.Clean does, and without a slash at either end. */
function cleanPattern(pattern: string): string {
  return pattern === ""
    ? ""
    : posix
        .normalize(pattern)
        .replace(/^\/(?=.)/, "")
        .replace(/(?<=.)\/$/, "");
}

/** `a`, `a/b`, `a/b/c`: a path and all directories above it. */
function toLineage(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** What a pattern is made of: `**` with its slash, `*`, `?`, `[…]`, an escaped character, any other one. */
const TOKEN = /\*\*\/?|\*|\?|\[\^?(?:\\.|[^\]\\])+\]|\\?./gsu;

function toRegExp(pattern: string): RegExp {
  const source = pattern.replace(TOKEN, (token, offset: number) => {
    if (token.startsWith("**")) return offset + token.length === pattern.length ? ".*" : "(?:.*/)?";
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    // A bracket that is never closed stays as it is: no regular expression either.
    if (token.startsWith("[")) return token.replace(/\\(.)/gsu, (_, escaped: string) => escapeInClass(escaped));
    return escapeRegExp(token.startsWith("\\") && token.length > 1 ? token.slice(1) : token);
  });
  try {
    return new RegExp(`^${source}$`, "su");
  } catch {
    throw new SyntaxError(`${JSON.stringify(pattern)} is not a pattern`);
  }
}

const escapeInClass = (character: string) => (/[\\\]^-]/.test(character) ? `\\${character}` : character);
