import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findExcess } from "../../src/server/json-bounds";

const BOUNDS = { maxDepth: 4, maxValues: 10 };

describe("the structure of JSON", () => {
  const table: [string, string, string | undefined][] = [
    ["as deep as may be", "[[[[1]]]]", undefined],
    ["deeper", "[[[[[1]]]]]", "is nested more than 4 deep"],
    ["deeper, mixed and not closed", '{"a":[{"a":[{', "is nested more than 4 deep"],
    ["as many as may be", JSON.stringify([1, 2, 3, 4, 5, 6, 7, 8, 9]), undefined],
    ["more", JSON.stringify([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "has more than 10 values"],
    ["brackets in strings", JSON.stringify(["[[[[[[[[[", "{{{{{{", ",,,,,,,,,,,,,,,"]), undefined],
    ["a quote in a string", JSON.stringify(['"[[[[[[', '\\"[[[[[', "\\\\"]), undefined],
    ["a string that ends in a backslash", JSON.stringify(["a\\", [[[[1]]]]]), "is nested more than 4 deep"],
    ["a string without end", '["[[[[[[[', undefined],
    ["nothing", "", undefined],
  ];
  it.each(table)("%s", (_, text, excess) => {
    expect(findExcess(Buffer.from(text), BOUNDS)).toBe(excess);
  });

  it("is that of the value, whatever is in it", () => {
    const law = fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const depth = depthOf(value);
      const text = Buffer.from(JSON.stringify(value));
      const bounds = { maxDepth: Math.max(depth, 0), maxValues: 1e9 };
      expect(findExcess(text, bounds)).toBeUndefined();
      if (depth > 0) expect(findExcess(text, { ...bounds, maxDepth: depth - 1 })).toContain("nested");
    });
    fc.assert(law, { seed: 1 });
  });

  it("is found in no time in what a file makes large", () => {
    const text = Buffer.from(JSON.stringify({ content: "A".repeat(16 * 1024 * 1024) }));
    const startedAt = performance.now();
    expect(findExcess(text, BOUNDS)).toBeUndefined();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
