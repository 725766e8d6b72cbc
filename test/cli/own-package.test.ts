import { expect, it } from "vitest";
import { hintMissingPackage } from "../../src/cli/own-package";
import { packageRoot } from "../../src/client/package-root";

it.each([
  ["Cannot find package 'pulumi-opencomputer' imported from /tmp/a.mjs", `npm install ${packageRoot()}`],
  ["Cannot find package 'left-pad' imported from /tmp/a.mjs", undefined],
])("%s", (message, command) => {
  expect(hintMissingPackage(new Error(message))?.split(": ").at(-1)).toBe(command);
});
