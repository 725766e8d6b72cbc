import { expect, test } from "vitest";
import { findDifference, isNews } from "../../tools/node-modules.mjs";

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

test.each([
  ["> better-sqlite3@12.11.1 install", true],
  ["  CC(target) Release/obj.target/sqlite3/gen/sqlite3/sqlite3.o", true],
  ["gyp info spawn make", true],
  ["npm warn Unknown user config", false],
  ["./src/objects/database.cpp:12:3: warning: unused variable", false],
  ["   12 |   int unused;", false],
  ["      |       ^~~~~~", false],
])("%s: %s", (line, expected) => {
  expect(isNews(line)).toBe(expected);
});
