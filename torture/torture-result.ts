import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Experiment, Findings } from "./experiment";

const lines = z.array(z.string());
const resultSchema = z.object({
  experiment: z.string(),
  seed: z.number(),
  seconds: z.number(),
  date: z.string(),
  kernel: z.string(),
  counts: z.record(z.string(), z.number()),
  lost: lines,
  leaked: lines,
  broken: lines,
});

/** What one long run of an experiment came to: the content of `torture/results/NAME.json`. */
export type TortureResult = Readonly<z.infer<typeof resultSchema>>;

/** What a run was, beside its findings. */
export interface TortureFacts {
  readonly seed: number;
  readonly seconds: number;
  readonly date: string;
  readonly kernel: string;
}

export function toTortureResult({ name }: Experiment, findings: Findings, facts: TortureFacts): TortureResult {
  const { counts, lost, leaked, broken } = findings;
  return {
    experiment: name,
    ...facts,
    counts: { ...counts },
    lost: [...lost],
    leaked: [...leaked],
    broken: [...broken],
  };
}

/** Whole or not at all: docs/reliability.md is made from these. */
export async function writeTortureResult(dir: string, result: TortureResult): Promise<void> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, `${result.experiment}.json`);
  await writeFile(`${file}.new`, `${JSON.stringify(result, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** The results of these experiments, in their order; those that were never run long are left out. */
export async function readTortureResults(dir: string, experiments: readonly Experiment[]): Promise<TortureResult[]> {
  const texts = await Promise.all(
    experiments.map(({ name }) => readFile(join(dir, `${name}.json`), "utf8").catch(() => undefined)),
  );
  return texts.filter((text) => text !== undefined).map((text) => resultSchema.parse(JSON.parse(text)));
}
