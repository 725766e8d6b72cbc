import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInForeground } from "./command.mjs";
import { provideDist } from "./dist.mjs";
import { interrupted } from "./interruption.mjs";
import { runProgram } from "./main-program.mjs";
import { provideNodeModules } from "./node-modules.mjs";
import { say } from "./progress.mjs";
import { PROJECT } from "./project.mjs";
import { provideRequirements } from "./provide.mjs";
import { quietPulumi } from "./pulumi-environment.mjs";
import { closingLine, countCheck, countVitest, failureLines, phaseLine, sumCounts } from "./test-report.mjs";

const BIOME = "node_modules/@biomejs/biome/bin/biome";
const TSC = "node_modules/typescript/bin/tsc";
const VITEST = "node_modules/vitest/vitest.mjs";

/**
 * @typedef {import("./test-report.mjs").Counts} Counts
 * @typedef {{ counts: Counts, failures?: readonly string[] }} Result
 * @typedef {{ title: string, run: () => Promise<Result> }} Phase
 */

/** What the end-to-end tests run; where it does not compile, the other phases still tell what they find.
 * @type {Phase} */
const BUILD = { title: "build", run: () => attempt(provideDist) };

/** `npm test`: everything. `npm test -- ARGS`: one vitest run with these arguments, on the same ready machine. */
await runProgram(async () => {
  const args = process.argv.slice(2);
  const counts = await testAll([BUILD, ...(args.length > 0 ? [vitest("vitest", args)] : allPhases())]);
  say(`\n${closingLine(counts)}`);
  return counts.failed > 0 ? 1 : 0;
});

/** @returns {readonly Phase[]} */
function allPhases() {
  return [
    { title: "format and lint", run: () => check([BIOME, "check", "."]) },
    { title: "types", run: () => check([TSC, "--noEmit"]) },
    ...["unit", "integration", "e2e"].map((project) => vitest(project, ["--project", project])),
  ];
}

/**
 * Runs every phase also where an earlier one fails: one run tells all that is wrong.
 *
 * @param {readonly Phase[]} phases
 * @returns {Promise<Counts>}
 */
async function testAll(phases) {
  const { counts: ready } = await attempt(async () => {
    await provideRequirements("test");
    await provideNodeModules();
  });
  if (ready.failed > 0) return ready;
  const results = [];
  for (const { title, run } of phases) {
    say(`\n== ${title}`);
    results.push({ title, ...(await run()) });
  }
  say();
  for (const { title, counts, failures = [] } of results) {
    say(phaseLine(title, counts));
    for (const failure of failures) say(`  ${failure}`);
  }
  return sumCounts(results.map(({ counts }) => counts));
}

/**
 * @param {() => Promise<void>} work
 * @returns {Promise<Result>}
 */
async function attempt(work) {
  try {
    await work();
    return { counts: countCheck(0) };
  } catch (error) {
    interrupted.throwIfAborted();
    say(`\n${error instanceof Error ? error.message : error}`);
    return { counts: countCheck(1) };
  }
}

/** @param {readonly string[]} args */
async function check(args) {
  return { counts: countCheck(await node(args)) };
}

/**
 * @param {string} title
 * @param {readonly string[]} args
 * @returns {Phase}
 */
function vitest(title, args) {
  return {
    title,
    run: async () => {
      const folder = await mkdtemp(join(tmpdir(), "opencomputer-test-"));
      const file = join(folder, "report.json");
      try {
        const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
        const exitCode = await node([VITEST, "run", ...reporters, ...args]);
        const text = await readFile(file, "utf8").catch(() => "null");
        const report = JSON.parse(text) ?? undefined;
        const isCi = Boolean(process.env.CI);
        return {
          counts: countVitest(report, exitCode, { isCi }),
          failures: failureLines(report, { folder: PROJECT, isCi }),
        };
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** @param {readonly string[]} args */
function node(args) {
  return runInForeground(process.execPath, args, { cwd: PROJECT, env: quietPulumi() });
}
