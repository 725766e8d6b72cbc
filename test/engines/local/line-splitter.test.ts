import fc from "fast-check";
import { expect, test } from "vitest";
import { createLineSplitter, MAX_LINE_CHARS } from "../../../src/engines/local/line-splitter";

function split(chunks: readonly Uint8Array[]): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ["nothing", "", []],
  ["lines", "a\nb\n", ["a", "b"]],
  ["a last line without its end", "a\nb", ["a", "b"]],
  ["empty lines", "\n\na\n", ["", "", "a"]],
  ["carriage return and line feed", "a\r\nb\r\n", ["a", "b"]],
  ["a progress bar", "10%\r50%\r100%\ndone\n", ["100%", "done"]],
  ["a line of the greatest length", `${"x".repeat(MAX_LINE_CHARS)}\n`, ["x".repeat(MAX_LINE_CHARS)]],
  ["a line too long", `${"x".repeat(MAX_LINE_CHARS + 1)}\n`, ["x".repeat(MAX_LINE_CHARS), "x"]],
])("%s", (_, text, lines) => {
  expect(split([bytes(text)])).toEqual(lines);
});

test("where chunks are cut makes no difference", () => {
  const part = fc.constantFrom("a", "\n", "\r", "\r\n", "é", "漢", "😀", "x".repeat(3000));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 6 }), (parts, cuts) => {
      const whole = bytes(parts.join(""));
      const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
      const chunks = places.slice(1).map((end, index) => whole.subarray(places[index], end));
      expect(split(chunks)).toEqual(split([whole]));
    }),
    { numRuns: 1000 },
  );
});

test("a character is never parted", () => {
  const lines = split([bytes("😀".repeat(MAX_LINE_CHARS))]);
  expect(lines.join("")).toBe("😀".repeat(MAX_LINE_CHARS));
  for (const line of lines) expect(line.isWellFormed?.() ?? !/[\ud800-\udbff]$/.test(line)).toBe(true);
});

test("a line without an end takes no more memory than a line", () => {
  let longest = 0;
  const splitter = createLineSplitter((line) => {
    longest = Math.max(longest, line.length);
  });
  for (let i = 0; i < 100; i++) splitter.push(bytes("y".repeat(1000)));
  splitter.end();
  expect(longest).toBe(MAX_LINE_CHARS);
});
