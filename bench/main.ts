import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BenchRun } from "./bench-run";
import type { Benchmark } from "./benchmark";
import { BENCHMARKS } from "./benchmarks";
import { machineFacts } from "./facts";
import { withTable } from "./readme-table";
import { describeResult } from "./report";
import { readResults, toResult, writeResult } from "./result";

const RESULTS = resolve(process.cwd(), "bench", "results");
const README = resolve(process.cwd(), "README.md");

const HELP = `Usage: npm run bench -- NAME [--rounds N] [--quick]

Measures both sides alternately in one run, prints p50, p95, p99 and what was promised, and writes
bench/results/NAME.json. Run it on a machine that does nothing else.

  --rounds N   how often each side is measured; default: the benchmark's own
  --quick      small and short, to see that it works; writes nothing
  --list       what there is
  --help       this

npm run bench -- table   writes the README's table from bench/results`;

/** `npm run bench`, after everything was got and compiled. */
async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const [name] = positionals;
  if (values.help) return say(HELP);
  if (values.list) return say(BENCHMARKS.map(describe).join("\n"));
  if (name === "table") return await writeTable();
  const benchmark = BENCHMARKS.find((one) => one.name === name);
  if (benchmark) return await measure(benchmark, readRounds(benchmark, values), values.quick);
  const wrong = name === undefined ? "" : `There is no benchmark ${JSON.stringify(name)}.\n`;
  process.stderr.write(`${wrong}${HELP}\n\n${BENCHMARKS.map(describe).join("\n")}\n`);
  return 2;
}

function readArguments() {
  return parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
}

function readRounds({ rounds }: Benchmark, values: { rounds?: string | undefined; quick: boolean }): number {
  if (values.rounds === undefined) return values.quick ? rounds.quick : rounds.full;
  const asked = Number(values.rounds);
  if (Number.isInteger(asked) && asked >= 1 && asked <= 100_000) return asked;
  throw new Error(`--rounds is ${JSON.stringify(values.rounds)}; expected a whole number from 1 to 100000`);
}

/** Ends at the first signal, after everything that was started is undone. */
async function measure(benchmark: Benchmark, rounds: number, isQuick: boolean): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  const run = await BenchRun.start({ rounds, isQuick, signal: stop.signal });
  try {
    const facts = await machineFacts(run);
    const result = toResult(benchmark, await benchmark.run(run), facts);
    say(describeResult(result));
    if (!isQuick) await writeResult(RESULTS, result);
    return result.absences.some(({ isFailure }) => isFailure) ? 1 : 0;
  } finally {
    await run.close();
  }
}

async function writeTable(): Promise<number> {
  const results = await readResults(RESULTS, BENCHMARKS);
  await writeFile(README, withTable(await readFile(README, "utf8"), results));
  return say(`README.md has the table of ${results.map(({ benchmark }) => benchmark).join(", ") || "no results"}`);
}

function describe({ name, question }: Benchmark): string {
  return `  ${name.padEnd(12)}${question}`;
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
