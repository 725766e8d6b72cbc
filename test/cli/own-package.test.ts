import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hintMissingPackage, offerOwnPackage } from "../../src/cli/own-package";
import { packageRoot } from "../../src/client/package-root";

it("a file outside any project finds this package, and no other", () => {
  const load = createRequire(join(tmpdir(), "nowhere", "agent.cjs"));
  expect(() => load("pulumi-opencomputer/package.json")).toThrow("Cannot find module");
  offerOwnPackage();
  expect(load("pulumi-opencomputer/package.json")).toMatchObject({ name: "pulumi-opencomputer" });
  expect(() => load("pulumi-opencomputer-x")).toThrow("Cannot find module");
});

it.each([
  ["Cannot find package 'pulumi-opencomputer' imported from /tmp/a.mjs", `npm install ${packageRoot()}`],
  ["Cannot find package 'left-pad' imported from /tmp/a.mjs", undefined],
])("%s", (message, command) => {
  expect(hintMissingPackage(new Error(message))?.split(": ").at(-1)).toBe(command);
});
