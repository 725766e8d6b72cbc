/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 *
 * What vitest's JSON reporter writes, as far as we read it.
 * @typedef {object} VitestReport
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numPendingTests
 * @property {number} numTodoTests
 * @property {readonly VitestFile[]} testResults
 *
 * @typedef {object} VitestFile
 * @property {string} name
 * @property {string} status
 * @property {string} [message] Why the file could not be run.
 * @property {readonly { fullName: string, status: string, failureMessages?: readonly string[] | null }[]} assertionResults
 */

/**
 * Counts one vitest run. A run that crashed, failed outside its tests or ran none counts as one failure more, so that
 * nothing looks well that was not looked at.
 *
 * @param {VitestReport | undefined} report Undefined where it wrote none.
 * @param {number} exitCode
 * @param {{ isCi: boolean }} options isCi: skipped tests count as failed.
 * @returns {Counts}
 */
export function countVitest(report, exitCode, { isCi }) {
  if (!report) return { passed: 0, failed: 1, skipped: 0 };
  const skipped = report.numPendingTests + report.numTodoTests;
  const ranNone = report.numPassedTests + report.numFailedTests === 0;
  const isUnexplained = report.numFailedTests === 0 && (exitCode !== 0 || ranNone);
  const failed = report.numFailedTests + (isUnexplained ? 1 : 0) + (isCi ? skipped : 0);
  return { passed: report.numPassedTests, failed, skipped: isCi ? 0 : skipped };
}

/**
 * One line for each failed test, for the end of a long log: its file, its name and the first line of what it said.
 *
 * @param {VitestReport | undefined} report
 * @param {{ folder: string, isCi: boolean }} options folder: what the files are told relative to. isCi: skipped tests
 * count as failed.
 * @returns {readonly string[]}
 */
export function failureLines(report, { folder, isCi }) {
  return (report?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const file = name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : name;
    const failed = assertionResults.filter((test) => test.status === "failed" || (isCi && test.status !== "passed"));
    const lines = failed.map(
      (test) => `${file} > ${test.fullName}: ${firstLine(test.failureMessages?.[0] ?? test.status)}`,
    );
    return lines.length === 0 && status === "failed" ? [`${file}: ${firstLine(message)}`] : lines;
  });
}

/** @param {string} [text] */
function firstLine(text = "") {
  return text.trim().split("\n", 1)[0]?.slice(0, 300) ?? "";
}

/**
 * Counts a phase that is one check, such as the linter.
 *
 * @param {number} exitCode
 * @returns {Counts}
 */
export function countCheck(exitCode) {
  return exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/**
 * @param {readonly Counts[]} phases
 * @returns {Counts}
 */
export function sumCounts(phases) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const phase of phases) {
    sum.passed += phase.passed;
    sum.failed += phase.failed;
    sum.skipped += phase.skipped;
  }
  return sum;
}

/**
 * One phase in the summary, for example `✗ unit: 2 of 80 failed`.
 *
 * @param {string} title
 * @param {Counts} counts
 */
export function phaseLine(title, { passed, failed }) {
  return failed > 0 ? `✗ ${title}: ${failed} of ${passed + failed} failed` : `✓ ${title}: all ${passed}`;
}

/**
 * The one closing line, for example `120 passed, 0 failed`.
 *
 * @param {Counts} counts
 */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
