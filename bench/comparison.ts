import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * Measures several ways of doing one thing alternately, in one process and one run: on a noisy machine only the ratio
 * of neighbours means anything.
 */
export interface Side {
  readonly name: string;
  /** Does it once and returns the milliseconds that count. */
  readonly measure: () => Promise<number>;
}

export interface Figures {
  readonly name: string;
  readonly samples: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** p50 over that of the first side. */
  readonly ratio: number;
}

/** Runs each side `rounds` times, in turn, after one unmeasured round. */
export async function compare(sides: readonly Side[], rounds: number): Promise<Figures[]> {
  const samples = sides.map(() => [] as number[]);
  for (let round = -1; round < rounds; round++) {
    for (const [index, side] of sides.entries()) {
      const ms = await side.measure();
      if (round >= 0) samples[index]?.push(ms);
    }
  }
  const floor = percentile(samples[0] ?? [], 0.5);
  return sides.map(({ name }, index) => toFigures(name, samples[index] ?? [], floor));
}

/** Prints a table and writes `bench/results/<bench>.json`. */
export function report(bench: string, figures: readonly Figures[], facts: Readonly<Record<string, string>>): void {
  console.log(
    Object.entries(facts)
      .map(([key, value]) => `${key}: ${value}`)
      .join("\n"),
  );
  console.table(figures.map(({ name, ...numbers }) => ({ name, ...numbers })));
  const dir = resolve(process.cwd(), "bench", "results");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${bench}.json`), `${JSON.stringify({ bench, facts, figures }, null, 2)}\n`);
}

function toFigures(name: string, samples: number[], floor: number): Figures {
  const at = (fraction: number) => round(percentile(samples, fraction));
  const ratio = Math.round((percentile(samples, 0.5) / floor) * 100) / 100;
  return { name, samples: samples.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), ratio };
}

/** Nearest rank. */
function percentile(samples: readonly number[], fraction: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

const round = (ms: number) => Math.round(ms * 10) / 10;
