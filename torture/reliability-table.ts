import { type Experiment, isGreen } from "./experiment";
import type { TortureResult } from "./torture-result";

const BEGIN = "<!-- experiments: written by `npm run torture` -->";
const END = "<!-- end of experiments -->";

/**
 * docs/reliability.md with a row for each experiment and the figures of its last long run.
 *
 * @throws where the markers are not there
 */
export function withExperiments(
  page: string,
  experiments: readonly Experiment[],
  results: readonly TortureResult[],
): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`docs/reliability.md needs the lines ${BEGIN} and ${END}, in this order`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${toTable(experiments, results)}\n${page.slice(end)}`;
}

function toTable(experiments: readonly Experiment[], results: readonly TortureResult[]): string {
  const head = [["experiment", "promise", "how it is attacked", "last long run"], Array(4).fill("---")];
  const rows = experiments.map((experiment) => {
    const result = results.find((one) => one.experiment === experiment.name);
    return [`\`${experiment.name}\``, experiment.promise, experiment.method, result ? describe(result) : "none yet"];
  });
  return [...head, ...rows].map((cells) => `| ${cells.map(escapeCell).join(" | ")} |\n`).join("");
}

function describe(result: TortureResult): string {
  const { date, seed, seconds, lost, leaked, broken } = result;
  const verdict = isGreen(result)
    ? "nothing lost, leaked or broken"
    : `**${lost.length} lost, ${leaked.length} leaked, ${broken.length} broken**`;
  return `${describeCounts(result.counts)}: ${verdict} (${date}, seed ${seed}, ${Math.round(seconds)} s)`;
}

/** For example `200 kills, 412 builds`. */
export function describeCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count.toLocaleString("en")} ${what}`)
    .join(", ");
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
