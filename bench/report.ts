import type { BenchResult } from "./result";
import { roundTo } from "./statistics";

/** A result for people at a terminal. */
export function describeResult(result: BenchResult): string {
  return [
    `\n${result.benchmark}: ${result.question}`,
    ...Object.entries(result.facts).map(([name, value]) => `  ${name}: ${value}`),
    "",
    ...figureRows(result),
    ...result.quantities.map(({ name, value, unit }) => `  ${name}: ${value} ${unit}`),
    ...result.absences.map(({ side, why, isFailure }) => `  ${side}: ${isFailure ? "FAILED" : "skipped"}: ${why}`),
    "",
    ...result.judgements.map(
      ({ what, measured, target, verdict }) => `  ${verdict.toUpperCase()}: ${what}: ${measured} (${target})`,
    ),
    ...result.notes.map(({ about, text }) => `  ${about}: ${text}`),
  ].join("\n");
}

/** Milliseconds, and each median over that of the first side. */
function figureRows({ figures }: BenchResult): string[] {
  const floor = figures[0]?.p50 ?? Number.NaN;
  const rows = figures.map(({ name, samples, p50, p95, p99 }) => [
    name,
    ...[samples, p50, p95, p99, roundTo(p50 / floor, 2)].map(String),
  ]);
  const table = [["milliseconds", "samples", "p50", "p95", "p99", "ratio"], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return figures.length === 0 ? [] : table.map((row) => `  ${row.map(pad).join("  ")}`);
}
