import { randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Experiment, type Findings, isGreen } from "./experiment";
import { EXPERIMENTS } from "./experiments";
import { describeCounts, withExperiments } from "./reliability-table";
import { readTortureResults, toTortureResult, writeTortureResult } from "./torture-result";
import { TortureRun } from "./torture-run";

const RESULTS = resolve(process.cwd(), "torture", "results");
const PAGE = resolve(process.cwd(), "docs", "reliability.md");
/** All together stay below 40 minutes, cleaning up included. */
const TOTAL_SECONDS = 36 * 60;

const HELP = `Usage: npm run torture -- [NAME …] [--seed N] [--minutes N] [--short]

Attacks what is promised: kills, power cuts, full disks, hostile programs. Prints what was tried and whatever
was lost, leaked or broken, and ends with 1 if anything was. Needs root. The same seed makes the same choices.

  NAME         experiments; default: all, which takes up to 40 minutes
  --seed N     where all random choices come from; default: another one each time, which is printed
  --minutes N  for all of them together; default: ${TOTAL_SECONDS / 60}
  --short      as in npm test: seconds, and writes nothing
  --list       what there is
  --help       this

A long run writes torture/results/NAME.json and the table in docs/reliability.md.`;

interface Wishes {
  readonly size: "short" | "long";
  readonly seed: number;
  /** For all experiments together. */
  readonly seconds: number;
}

/** `npm run torture`, after everything was got and compiled. */
async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const unknown = positionals.find((name) => !EXPERIMENTS.some((one) => one.name === name));
  if (unknown !== undefined) {
    process.stderr.write(`There is no experiment ${JSON.stringify(unknown)}.\n${HELP}\n\n${listed()}\n`);
    return 2;
  }
  if (values.help) return say(HELP);
  if (values.list) return say(listed());
  const chosen = EXPERIMENTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  return await attack(chosen, {
    size: values.short ? "short" : "long",
    seed: readNumber("--seed", values.seed, 2 ** 31 - 1) ?? randomInt(2 ** 31),
    seconds: (readNumber("--minutes", values.minutes, 600) ?? TOTAL_SECONDS / 60) * 60,
  });
}

function readArguments() {
  return parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: "string" },
      minutes: { type: "string" },
      short: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
}

function readNumber(option: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`${option} is ${JSON.stringify(text)}; expected a whole number from 1 to ${max}`);
}

/** One after another; an experiment that is red keeps none of the others from running, a signal does. */
async function attack(experiments: readonly Experiment[], wishes: Wishes): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  say(`seed ${wishes.seed}`);
  const shares = experiments.reduce((sum, { share }) => sum + share, 0);
  let red = 0;
  for (const experiment of experiments) {
    if (stop.signal.aborted) return 130;
    say(`\n== ${experiment.name}: ${experiment.promise}`);
    const seconds = (wishes.seconds * experiment.share) / shares;
    if (!(await runOne(experiment, { ...wishes, seconds }, stop.signal))) red += 1;
  }
  if (wishes.size === "long") await writePage();
  say(`\n${experiments.length - red} passed, ${red} failed`);
  return red > 0 ? 1 : 0;
}

async function runOne(experiment: Experiment, wishes: Wishes, signal: AbortSignal): Promise<boolean> {
  const { size, seed } = wishes;
  const onProgress = (line: string) => process.stderr.write(`  … ${line}\n`);
  const startedAt = Date.now();
  const run = await TortureRun.start({ ...wishes, signal, onProgress });
  let findings: Findings;
  try {
    findings = await experiment.run(run);
  } catch (error) {
    findings = { counts: {}, lost: [], leaked: [], broken: [error instanceof Error ? error.message : String(error)] };
  }
  const leaked = [...findings.leaked, ...(await run.close())];
  const result = { ...findings, leaked };
  tell(result);
  if (size === "long" && !signal.aborted) {
    const date = new Date().toISOString().slice(0, 10);
    const facts = { seed, seconds: (Date.now() - startedAt) / 1000, date, kernel: release() };
    await writeTortureResult(RESULTS, toTortureResult(experiment, result, facts));
  }
  return isGreen(result);
}

function tell(findings: Findings): void {
  say(`  ${describeCounts(findings.counts)}`);
  for (const kind of ["lost", "leaked", "broken"] as const) {
    for (const line of findings[kind]) say(`  ${kind}: ${line}`);
  }
  if (isGreen(findings)) say("  nothing lost, leaked or broken");
}

async function writePage(): Promise<void> {
  const results = await readTortureResults(RESULTS, EXPERIMENTS);
  await writeFile(PAGE, withExperiments(await readFile(PAGE, "utf8"), EXPERIMENTS, results));
}

function listed(): string {
  return EXPERIMENTS.map(({ name, promise }) => `  ${name.padEnd(14)}${promise}`).join("\n");
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
