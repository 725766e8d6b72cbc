import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { GO_TOOLS, MINIMUM, PULUMI_VERSION } from "../../tools/pins.mjs";
import { isAtLeast, parseVersion } from "../../tools/version-number.mjs";

const packageJson = JSON.parse(readFileSync(join(__dirname, "../../package.json"), "utf8"));

test.each(Object.entries(GO_TOOLS))("%s is pinned to one version", (_name, { version }) => {
  expect(version).toMatch(/^v\d+\.\d+\.\d+(-\d{14}-[0-9a-f]{12})?$/);
});

test("the fetched CLI is new enough, and the same by either way", () => {
  expect(isAtLeast(PULUMI_VERSION, MINIMUM.pulumi)).toBe(true);
  expect(GO_TOOLS.pulumi.version).toBe(`v${PULUMI_VERSION}`);
  expect(GO_TOOLS.pulumi.ldflags).toContain(`v${PULUMI_VERSION}`);
});

test("the oldest Node.js is that of package.json", () => {
  expect(parseVersion(packageJson.engines.node)).toEqual(parseVersion(MINIMUM.node));
});
