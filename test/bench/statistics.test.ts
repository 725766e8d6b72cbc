import { expect, test } from "vitest";
import { percentile, slope, toFigures } from "../../bench/statistics";

test.each([
  [[5], 0.5, 5],
  [[3, 1, 2], 0.5, 2],
  [[1, 2, 3, 4], 0.5, 2],
  [Array.from({ length: 100 }, (_, index) => index + 1), 0.95, 95],
  [Array.from({ length: 100 }, (_, index) => index + 1), 0.99, 99],
])("of %j the nearest rank at %d is %d", (samples, fraction, expected) => {
  expect(percentile(samples, fraction)).toBe(expected);
});

test("figures have a tenth of a millisecond", () => {
  expect(toFigures("a", [1.04, 2.06])).toEqual({ name: "a", samples: 2, p50: 1, p95: 2.1, p99: 2.1 });
});

test("the slope of a line is its slope, whatever lies around it", () => {
  const points = [0, 1, 2, 3].map((x) => ({ x, y: 7 + 3 * x }));
  expect(slope(points)).toBeCloseTo(3);
  expect(slope([...points, { x: 1.5, y: 100 }])).toBeCloseTo(3);
});
