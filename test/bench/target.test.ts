import { expect, test } from "vitest";
import { BENCHMARKS } from "../../bench/benchmarks";
import type { Figures } from "../../bench/statistics";
import { describeMs, judge, type Target } from "../../bench/target";

const figures = (name: string, p50: number): Figures => ({ name, samples: 3, p50, p95: p50, p99: p50 });
const MEASURED = {
  figures: [figures("ours", 200), figures("theirs", 100)],
  quantities: [{ name: "failures", value: 2, unit: "of 10" }],
};

test.each<[Target, string, string]>([
  [{ kind: "ratio", side: "ours", over: "theirs", atMost: 2 }, "met", "at most 2 × theirs"],
  [{ kind: "ratio", side: "ours", over: "theirs", atMost: 1.99 }, "missed", "at most 1.99 × theirs"],
  [{ kind: "ratio", side: "ours", over: "gone", atMost: 2 }, "unknown", "at most 2 × gone"],
  [{ kind: "margin", side: "ours", over: "theirs", atMostMs: 100 }, "met", "at most 100 ms more than theirs"],
  [{ kind: "margin", side: "ours", over: "theirs", atMostMs: 99 }, "missed", "at most 99 ms more than theirs"],
  [{ kind: "most", quantity: "failures", limit: 2 }, "met", "at most 2 of 10"],
  [{ kind: "most", quantity: "failures", limit: 1 }, "missed", "at most 1 of 10"],
  [{ kind: "least", quantity: "failures", limit: 2 }, "met", "at least 2 of 10"],
  [{ kind: "least", quantity: "failures", limit: 3 }, "missed", "at least 3 of 10"],
  [{ kind: "least", quantity: "gone", limit: 3 }, "unknown", "at least 3"],
])("%j is %s", (target, verdict, words) => {
  expect(judge(target, MEASURED)).toMatchObject({ verdict, target: words });
});

test("says what was measured on both sides", () => {
  expect(judge({ kind: "ratio", side: "ours", over: "theirs", atMost: 1 }, MEASURED).measured).toBe(
    "200 ms, 2 × 100 ms",
  );
  expect(judge({ kind: "ratio", side: "ours", over: "gone", atMost: 1 }, MEASURED).measured).toBe("not measured");
});

test.each([
  [4.26, "4.3 ms"],
  [85.4, "85 ms"],
  [1236, "1.24 s"],
  [61_260, "61.3 s"],
])("%d is %s", (ms, words) => {
  expect(describeMs(ms)).toBe(words);
});

test("every benchmark has a name of its own", () => {
  const names = BENCHMARKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
