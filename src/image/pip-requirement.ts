import { isUnicode, NOT_UNICODE } from "./unicode";

const NAME = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
const REQUIREMENT = new RegExp(`^(${NAME})\\s*(?:\\[([^\\]]*)\\])?\\s*(.*)$`, "s");
const EXTRA = new RegExp(`^${NAME}$`);
const PLAIN_URL = /^(git\+)?https?:\/\/\S+$/;
const NAMED_URL = /^@\s*[A-Za-z][A-Za-z0-9+.-]*:\S+(?:\s+;(.*))?$/s;

/** PEP 440, appendix B, in parts: what each operator takes differs. */
const RELEASE = String.raw`v?(?:\d+!)?\d+(?:\.\d+)*`;
const SUFFIXES = [
  String.raw`(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?\d*)?`,
  String.raw`(?:-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?`,
  String.raw`(?:[-_.]?dev[-_.]?\d*)?`,
].join("");
const LOCAL = String.raw`(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?`;
const CLAUSES = [
  String.raw`===\s*\S+`,
  String.raw`[=!]=\s*(?:${RELEASE}\.\*|${RELEASE}${SUFFIXES}${LOCAL})`,
  String.raw`~=\s*(?=v?(?:\d+!)?\d+\.\d)${RELEASE}${SUFFIXES}`,
  String.raw`[<>]=?\s*${RELEASE}${SUFFIXES}`,
];
const CLAUSE = new RegExp(`^(?:${CLAUSES.join("|")})$`, "i");
const VERSION = new RegExp(`^${RELEASE}${SUFFIXES}${LOCAL}$`, "i");

/** One comparison of a marker, whatever it compares, and several of them. */
const COMPARED = `(?:[a-z_.]+|'[^']*'|"[^"]*")`;
const COMPARISON = String.raw`${COMPARED}\s*(?:===?|~=|!=|<=?|>=?|(?:\bnot\s+)?\bin\b)\s*${COMPARED}`;
const MARKER = new RegExp(String.raw`^\s*${COMPARISON}(?:\s*\b(?:and|or)\b\s*${COMPARISON})*\s*$`);

const EXAMPLES = "expected one such as pandas, pandas>=2,<3 or uvicorn[standard]==0.30.1";

/**
 * What is wrong with a pip requirement, or undefined for one that pip takes: PEP 508 with versions after PEP 440
 * (`name[extra]>=1; marker`, `name @ url`), or a plain `https:` or `git+https:` URL. Neither options nor local paths are
 * requirements.
 *
 * @example explainRequirement("pandas=1.0") // "is not a pip requirement; did you mean pandas==1.0?"
 */
export function explainRequirement(text: string): string | undefined {
  if (/[\0\r\n]/.test(text)) return "must be on one line";
  if (!isUnicode(text)) return NOT_UNICODE;
  if (PLAIN_URL.test(text)) return undefined;
  const [, name = "", extras, rest = ""] = REQUIREMENT.exec(text) ?? [];
  if (name === "") return `is not a pip requirement; ${EXAMPLES}`;
  if (!areExtras(extras)) return "is not a pip requirement; expected extras such as uvicorn[standard]";
  const { marker, problem } = rest.startsWith("@") ? readUrl(rest) : readVersions(rest);
  if (problem !== undefined) {
    const meant = guessVersion(rest);
    const whole = extras === undefined ? name : `${name}[${extras}]`;
    return `is not a pip requirement; ${meant === undefined ? problem : `did you mean ${whole}${meant}?`}`;
  }
  if (marker === undefined || MARKER.test(marker.replaceAll(/[()]/g, " "))) return undefined;
  return "is not a pip requirement; expected a marker such as python_version < '3.12' after the semicolon";
}

/** What follows the name, read. */
interface Read {
  readonly marker?: string | undefined;
  readonly problem?: string;
}

function areExtras(extras: string | undefined): boolean {
  return extras === undefined || extras.trim() === "" || extras.split(",").every((one) => EXTRA.test(one.trim()));
}

function readUrl(rest: string): Read {
  const match = NAMED_URL.exec(rest);
  return match === null
    ? { problem: "expected a URL such as https://example.com/a.whl after @" }
    : { marker: match[1] };
}

function readVersions(rest: string): Read {
  const [versions = "", ...marker] = rest.split(";");
  const inner = /^\((.*)\)$/s.exec(versions.trim())?.[1] ?? versions;
  // pip lets a comma stand at the end.
  const clauses = inner.replace(/(?<=\S\s*),\s*$/, "").split(",");
  if (inner.trim() === "" || clauses.every((clause) => CLAUSE.test(clause.trim()))) {
    return marker.length === 0 ? {} : { marker: marker.join(";") };
  }
  return { problem: "expected versions such as ==1.0, ~=1.4 or >=2,<3 after the name" };
}

/** `=1.0`, `1.0`, `=>1.0`: the clause that was meant, if only one can be. */
function guessVersion(rest: string): string | undefined {
  const [, operator = "", version = ""] = /^(=[<>]|=?)\s*(\S+)$/.exec(rest.trim()) ?? [];
  if (!VERSION.test(version)) return undefined;
  return operator.length === 2 ? `${operator[1]}=${version}` : `==${version}`;
}
