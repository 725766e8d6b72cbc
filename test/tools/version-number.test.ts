import { describe, expect, test } from "vitest";
import { isAtLeast, parseVersion } from "../../tools/version-number.mjs";

describe("parseVersion", () => {
  test.each([
    ["v3.250.0", [3, 250, 0]],
    ["runc version 1.1.5+ds1\ncommit: 1.1.5", [1, 1, 5]],
    ["go version go1.26.8 linux/amd64", [1, 26, 8]],
    ["1.19~1", [1, 19, 0]],
    ["VERSION_MISSING", undefined],
  ])("%j", (text, version) => {
    expect(parseVersion(text)).toEqual(version);
  });
});

describe("isAtLeast compares numbers, not text", () => {
  test.each([
    ["v3.250.0", "3.216.0", true],
    ["v3.99.0", "3.216.0", false],
    ["3.216.0", "3.216.0", true],
    ["3.216.1", "3.216.0", true],
    ["4.0.0", "3.216.0", true],
    ["v20.9.0", "20.19.0", false],
    ["none at all", "1.0.0", false],
  ])("%s ≥ %s: %s", (found, minimum, expected) => {
    expect(isAtLeast(found, minimum)).toBe(expected);
  });
});
