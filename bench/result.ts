import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Benchmark, Outcome } from "./benchmark";
import type { Facts } from "./facts";
import { judge } from "./target";

const figuresSchema = z.object({
  name: z.string(),
  samples: z.number(),
  p50: z.number(),
  p95: z.number(),
  p99: z.number(),
});

const resultSchema = z.object({
  benchmark: z.string(),
  question: z.string(),
  facts: z.record(z.string(), z.string()),
  figures: z.array(figuresSchema),
  quantities: z.array(z.object({ name: z.string(), value: z.number(), unit: z.string() })),
  absences: z.array(z.object({ side: z.string(), why: z.string(), isFailure: z.boolean() })),
  judgements: z.array(
    z.object({
      what: z.string(),
      measured: z.string(),
      target: z.string(),
      verdict: z.enum(["met", "missed", "unknown"]),
    }),
  ),
  notes: z.array(z.object({ about: z.string(), text: z.string() })),
});

/** What one run of a benchmark came to: the content of `bench/results/NAME.json`. */
export type BenchResult = Readonly<z.infer<typeof resultSchema>>;

/** Puts targets and facts to what was measured. */
export function toResult(benchmark: Benchmark, outcome: Outcome, facts: Facts): BenchResult {
  const { figures, quantities = [], absences = [], notes = [] } = outcome;
  return {
    benchmark: benchmark.name,
    question: benchmark.question,
    facts: { ...facts, ...outcome.facts },
    figures: [...figures],
    quantities: [...quantities],
    absences: [...absences],
    judgements: benchmark.targets.map((target) => judge(target, { figures, quantities })),
    notes: [...notes],
  };
}

/** Whole or not at all: the table is made from these. */
export async function writeResult(dir: string, result: BenchResult): Promise<void> {
  await mkdir(dir, { recursive: true });
  const file = resultFile(dir, result.benchmark);
  await writeFile(`${file}.new`, `${JSON.stringify(result, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** The results of these benchmarks, in their order; those that were never measured are left out. */
export async function readResults(dir: string, benchmarks: readonly Benchmark[]): Promise<BenchResult[]> {
  const texts = await Promise.all(
    benchmarks.map(({ name }) => readFile(resultFile(dir, name), "utf8").catch(() => undefined)),
  );
  return texts.filter((text) => text !== undefined).map((text) => resultSchema.parse(JSON.parse(text)));
}

function resultFile(dir: string, name: string): string {
  return join(dir, `${name}.json`);
}
