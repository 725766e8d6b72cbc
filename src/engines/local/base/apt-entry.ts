/** One archive that packages come from: a `deb` line, whatever format it was written in. */
export interface AptEntry {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** `signed-by`, `trusted` and `arch`, where set. */
  readonly options: Readonly<Record<string, string>>;
}

const KEPT_OPTIONS: readonly string[] = ["arch", "signed-by", "trusted"];

/**
 * The enabled binary archives of a one-line `sources.list`. What cannot be parsed is left out, as apt would refuse it.
 *
 * @example parseOneLineSources("deb http://mirror/debian bookworm main")
 */
export function parseOneLineSources(text: string): AptEntry[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?$/.exec(line);
    if (!match) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    return [{ uri, suite, components: words(components), options: parseOptions(options) }];
  });
}

/** The enabled binary archives of a deb822 `.sources` file: one entry for each pair of URI and suite. */
export function parseDeb822Sources(text: string): AptEntry[] {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .split(/\n(?:[ \t]*\n)+/)
    .flatMap((paragraph) => toEntries(parseFields(paragraph)));
}

/** The entry as one line. A `user:password@` of its address is a secret of this machine and is left out on request. */
export function toOneLine(entry: AptEntry, form: { readonly credentials: boolean }): string {
  const options = KEPT_OPTIONS.flatMap((name) => (entry.options[name] ? [`${name}=${entry.options[name]}`] : []));
  const bracket = options.length > 0 ? `[${options.join(" ")}] ` : "";
  const uri = form.credentials ? entry.uri : entry.uri.replace(/\/\/[^/@]*@/, "//");
  return [`deb ${bracket}${uri}`, entry.suite, ...entry.components].join(" ");
}

/**
 * The distribution's own archives among all that a machine uses: http(s) entries of the release itself, its updates and
 * its security fixes. Vendors' archives, backports and media are none of a base's business.
 */
export function ofDistribution(entries: readonly AptEntry[], codename: string): AptEntry[] {
  const suites: readonly string[] = [codename, `${codename}-updates`, `${codename}-security`];
  return entries.filter((entry) => suites.includes(entry.suite) && /^https?:\/\//.test(entry.uri));
}

/** The same archives for another release of the same distribution. */
export function forRelease(entries: readonly AptEntry[], from: string, to: string): AptEntry[] {
  return entries.map((entry) => ({ ...entry, suite: entry.suite.replace(from, to) }));
}

function toEntries(fields: Readonly<Record<string, string>>): AptEntry[] {
  if (!words(fields["types"]).includes("deb") || /^(no|false|0)$/i.test(fields["enabled"]?.trim() ?? "")) return [];
  const components = words(fields["components"]);
  const options = {
    // A key that stands in the file itself has no one-line form; the keyrings of the machine hold it as well.
    ...(/^\/\S+$/.test(fields["signed-by"] ?? "") ? { "signed-by": fields["signed-by"] ?? "" } : {}),
    ...(/^yes$/i.test(fields["trusted"] ?? "") ? { trusted: "yes" } : {}),
    ...(fields["architectures"] ? { arch: words(fields["architectures"]).join(",") } : {}),
  };
  return words(fields["uris"]).flatMap((uri) =>
    words(fields["suites"]).map((suite) => ({ uri, suite, components, options })),
  );
}

function parseFields(paragraph: string): Record<string, string> {
  const unfolded = paragraph.replace(/\n[ \t]+/g, " ");
  const pairs = unfolded.split("\n").flatMap((line) => {
    const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
    return match ? [[(match[1] ?? "").toLowerCase(), (match[2] ?? "").trim()]] : [];
  });
  return Object.fromEntries(pairs);
}

function parseOptions(text: string): Record<string, string> {
  const pairs = words(text).map((word) => word.split(/=(.*)/s, 2));
  return Object.fromEntries(pairs.filter(([name = ""]) => KEPT_OPTIONS.includes(name)));
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}
