import { expect, test } from "vitest";
import { findDifference } from "../../tools/node-modules.mjs";

const lock = {
  packages: {
    "": { version: "0.1.0" },
    "examples/quickstart": {},
    "node_modules/plain": { version: "1.0.0", integrity: "sha512-a" },
    "node_modules/plain/node_modules/nested": { version: "2.0.0", integrity: "sha512-b" },
    "node_modules/other-platform": { version: "3.0.0", optional: true },
    "node_modules/linked": { link: true },
  },
};
const { "": _root, "node_modules/other-platform": _other, ...installed } = lock.packages;

test.each([
  ["all there, without the optional one", installed, undefined],
  ["more there than asked", { ...installed, "node_modules/extra": { version: "1.0.0" } }, undefined],
  ["another version", { ...installed, "node_modules/plain": { version: "1.0.1" } }, "node_modules/plain"],
  [
    "same version, other bytes",
    { ...installed, "node_modules/plain": { version: "1.0.0", integrity: "sha512-x" } },
    "node_modules/plain",
  ],
  [
    "an optional one at another version",
    { ...installed, "node_modules/other-platform": { version: "2.9.0" } },
    "node_modules/other-platform",
  ],
  ["a missing link", { ...installed, "node_modules/linked": undefined }, "node_modules/linked"],
  ["nothing", {}, "node_modules/plain"],
])("%s", (_case, packages, difference) => {
  expect(findDifference(lock, JSON.parse(JSON.stringify({ packages })))).toBe(difference);
});
