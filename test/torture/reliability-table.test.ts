import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Experiment } from "../../torture/experiment";
import { EXPERIMENTS } from "../../torture/experiments";
import { withExperiments } from "../../torture/reliability-table";
import { readTortureResults, type TortureResult } from "../../torture/torture-result";

const ROOT = join(__dirname, "..", "..");
const PAGE = readFileSync(join(ROOT, "docs", "reliability.md"), "utf8");

const experiment = (name: string): Experiment => ({
  name,
  promise: "It stands.",
  method: "Pushed | pulled.",
  share: 1,
  run: async () => ({ counts: {}, lost: [], leaked: [], broken: [] }),
});

const result = (name: string, lost: string[]): TortureResult => ({
  ...{ experiment: name, seed: 7, seconds: 61.4, date: "2026-01-02", kernel: "6.1" },
  ...{ counts: { pushes: 1200, pulls: 3 }, lost, leaked: [], broken: [] },
});

test("the page says what the results give: npm run torture", async () => {
  const results = await readTortureResults(join(ROOT, "torture", "results"), EXPERIMENTS);
  expect(withExperiments(PAGE, EXPERIMENTS, results)).toBe(PAGE);
});

test("a row an experiment: what it promises, and what the last long run found", () => {
  const experiments = ["tower", "bridge", "wall"].map(experiment);
  const page = withExperiments(PAGE, experiments, [result("tower", []), result("bridge", ["a stone"])]);
  expect(page).toContain(
    "| `tower` | It stands. | Pushed \\| pulled. | 1,200 pushes, 3 pulls: nothing lost, leaked or broken (2026-01-02, seed 7, 61 s) |\n",
  );
  expect(page).toContain("1,200 pushes, 3 pulls: **1 lost, 0 leaked, 0 broken**");
  expect(page).toContain("| `wall` | It stands. | Pushed \\| pulled. | none yet |\n");
});
