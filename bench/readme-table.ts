import type { BenchResult } from "./result";

const BEGIN = "<!-- benchmarks: written by `npm run bench -- table` -->";
const END = "<!-- end of benchmarks -->";

/**
 * The README with its table as the results give it.
 *
 * @throws where the markers are not there
 */
export function withTable(readme: string, results: readonly BenchResult[]): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md needs the lines ${BEGIN} and ${END}, in this order`);
  return `${readme.slice(0, begin)}${BEGIN}\n${toTable(results)}${readme.slice(end)}`;
}

/** One row a promise; what was missed says where the time goes. */
function toTable(results: readonly BenchResult[]): string {
  const withPromises = results.filter(({ judgements }) => judgements.length > 0);
  if (withPromises.length === 0) return "\nNothing was measured yet: `npm run bench -- --list`.\n\n";
  const rows = withPromises.flatMap(({ benchmark, judgements }) =>
    judgements.map(({ what, measured, target, verdict }) => [benchmark, what, measured, target, verdict]),
  );
  const head = [["benchmark", "what", "measured (median)", "promised", ""], Array(5).fill("---")];
  const lines = [...head, ...rows].map((cells) => `| ${cells.map(escapeCell).join(" | ")} |`);
  const remarks = withPromises.flatMap(toRemarks).map((line) => `- ${line}`);
  return `\n${[...lines, "", ...remarks, ...(remarks.length > 0 ? [""] : []), toCaption(withPromises)].join("\n")}\n\n`;
}

function toRemarks({ benchmark, judgements, notes, absences }: BenchResult): string[] {
  const missed = new Set(judgements.filter(({ verdict }) => verdict === "missed").map(({ what }) => what));
  const reasons = notes.filter(({ about }) => missed.has(about)).map(({ about, text }) => `${about}: ${text}`);
  const missing = absences.map(({ side, why }) => `${side}: not measured (${why.split("\n")[0]})`);
  return [...reasons, ...missing].map((text) => `${benchmark}, ${text}`);
}

/** One line a machine: results may come from several. */
function toCaption(results: readonly BenchResult[]): string {
  const machines = new Map<string, string[]>();
  for (const { benchmark, facts } of results) {
    const { cores, memory, kernel, runc, runsc } = facts;
    const machine = `${cores} cores, ${memory}, Linux ${kernel}, runc ${runc}, runsc ${runsc}`;
    const names = machines.get(machine) ?? [];
    names.push(`${benchmark} (${facts["date"]?.slice(0, 10)}, load ${facts["load before"]?.split(" ")[0]})`);
    machines.set(machine, names);
  }
  return [...machines].map(([machine, names]) => `Measured on ${machine}: ${names.join(", ")}.`).join("\n\n");
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
