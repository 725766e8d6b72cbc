import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isInside, locateInside, readInside } from "../../../../src/engines/local/base/inside";

let home: string;
let root: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "inside-"));
  root = join(home, "root");
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  writeFileSync(join(root, "usr/bin/sh"), "shell");
  writeFileSync(join(home, "secret"), "the machine's");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("locateInside", () => {
  it.each([
    ["a relative link", "usr/bin", "/bin/sh"],
    ["an absolute link", "/usr/bin", "/bin/sh"],
    ["a link above the root", "../../../../usr/bin", "/bin/sh"],
  ])("follows %s within the tree", (_name, target, path) => {
    symlinkSync(target, join(root, "bin"));
    expect(locateInside(root, path)).toBe(join(root, "usr/bin/sh"));
    expect(isInside(root, path)).toBe(true);
  });

  it("never leaves the tree", () => {
    symlinkSync(home, join(root, "etc"));
    symlinkSync("../secret", join(root, "stolen"));
    expect(isInside(root, "/etc/secret")).toBe(false);
    expect(isInside(root, "/../secret")).toBe(false);
    expect(readInside(root, "/stolen")).toBe("");
  });

  it("gives up on circles", () => {
    symlinkSync("b", join(root, "a"));
    symlinkSync("a", join(root, "b"));
    expect(() => locateInside(root, "/a")).toThrow(/no directory that can be entered/);
    expect(isInside(root, "/a/x")).toBe(false);
  });
});
