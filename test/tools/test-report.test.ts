import { describe, expect, test } from "vitest";
import { closingLine, countCheck, countVitest, failureLines, phaseLine, sumCounts } from "../../tools/test-report.mjs";

const report = (passed: number, failed = 0, pending = 0, todo = 0) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: pending,
  numTodoTests: todo,
  testResults: [],
});

describe("countVitest", () => {
  test.each([
    ["all passed", report(7), 0, false, [7, 0, 0]],
    ["failures are counted once", report(7, 2), 1, false, [7, 2, 0]],
    ["a file that could not be loaded, an unhandled error", report(7), 1, false, [7, 1, 0]],
    ["killed before it could report", undefined, 137, false, [0, 1, 0]],
    ["no tests at all", report(0), 0, false, [0, 1, 0]],
    ["only skipped tests", report(0, 0, 3), 0, false, [0, 1, 3]],
    ["skipped and to do", report(5, 0, 2, 1), 0, false, [5, 0, 3]],
    ["skipped in CI is failed", report(5, 0, 2, 1), 0, true, [5, 3, 0]],
  ])("%s", (_case, given, exitCode, isCi, [passed, failed, skipped]) => {
    expect(countVitest(given, exitCode, { isCi })).toEqual({ passed, failed, skipped });
  });
});

test("a check is one test", () => {
  expect(countCheck(0)).toEqual({ passed: 1, failed: 0, skipped: 0 });
  expect(countCheck(2)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

describe("closing line", () => {
  test.each([
    [[], "0 passed, 0 failed"],
    [[countCheck(0), countCheck(1), countVitest(report(5), 0, { isCi: false })], "6 passed, 1 failed"],
    [[countVitest(report(5, 0, 2), 0, { isCi: false })], "5 passed, 0 failed, 2 skipped"],
  ])("%#", (phases, line) => {
    expect(closingLine(sumCounts(phases))).toBe(line);
  });
});

test("a phase's line does not look like the closing line", () => {
  expect(phaseLine("unit", { passed: 78, failed: 2, skipped: 0 })).toBe("✗ unit: 2 of 80 failed");
  expect(phaseLine("types", countCheck(0))).toBe("✓ types: all 1");
});

test("each failure has a line, also a file that could not be run", () => {
  const test = (fullName: string, status: string, failureMessages: string[] = []) => ({
    fullName,
    status,
    ...(status === "skipped" ? {} : { failureMessages }),
  });
  const files = [
    {
      name: "/project/test/a.test.ts",
      status: "failed",
      assertionResults: [test("sums", "failed", ["Error: 2 is not 3\n  at a.ts:1"]), test("counts", "passed")],
    },
    { name: "/project/test/b.test.ts", status: "failed", message: "no such module\n", assertionResults: [] },
    { name: "/project/test/c.test.ts", status: "passed", assertionResults: [test("ends", "skipped")] },
  ];
  const given = { ...report(1, 1, 1), testResults: files };
  const failed = ["test/a.test.ts > sums: Error: 2 is not 3", "test/b.test.ts: no such module"];
  expect(failureLines(given, { folder: "/project", isCi: false })).toEqual(failed);
  const skipped = "test/c.test.ts > ends: skipped";
  expect(failureLines(given, { folder: "/project", isCi: true })).toEqual([...failed, skipped]);
});
