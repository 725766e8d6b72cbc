import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BENCHMARKS } from "../../bench/benchmarks";
import { withTable } from "../../bench/readme-table";
import { type BenchResult, readResults } from "../../bench/result";

const ROOT = join(__dirname, "..", "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

const RESULT: BenchResult = {
  benchmark: "exec",
  question: "a command",
  facts: {
    date: "2026-01-02 03:04",
    cores: "2",
    memory: "4 GiB",
    kernel: "6.1",
    runc: "1",
    runsc: "2",
    "load before": "0.01 0 0",
  },
  figures: [],
  quantities: [],
  absences: [{ side: "docker", why: "it is not here\nat all", isFailure: false }],
  judgements: [
    { what: "ours", measured: "2 ms, 2 × 1 ms", target: "at most 1 × theirs", verdict: "missed" },
    { what: "a | b", measured: "1 %", target: "at most 2 %", verdict: "met" },
  ],
  notes: [
    { about: "ours", text: "all of it goes there" },
    { about: "a | b", text: "nobody asks" },
  ],
};

test("the README's table is what the results give: npm run bench -- table", async () => {
  const results = await readResults(join(ROOT, "bench", "results"), BENCHMARKS);
  expect(withTable(README, results)).toBe(README);
});

test("a row a promise; what is missed says why, what is missing says so, and the machine is named", () => {
  const table = withTable(README, [RESULT]);
  expect(table).toContain("| exec | ours | 2 ms, 2 × 1 ms | at most 1 × theirs | missed |\n");
  expect(table).toContain("| exec | a \\| b | 1 % | at most 2 % | met |\n");
  expect(table).toContain("- exec, ours: all of it goes there\n");
  expect(table).not.toContain("nobody asks");
  expect(table).toContain("- exec, docker: not measured (it is not here)\n");
  expect(table).toContain("Measured on 2 cores, 4 GiB, Linux 6.1, runc 1, runsc 2: exec (2026-01-02, load 0.01).\n");
});

test("writing the table twice changes nothing, and what is around it stays", () => {
  const once = withTable(README, [RESULT]);
  expect(withTable(once, [RESULT])).toBe(once);
  expect(withTable(once, [])).toBe(withTable(README, []));
  expect(() => withTable("no markers", [RESULT])).toThrow(/README\.md needs/);
});
