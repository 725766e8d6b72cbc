import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeDirInside, readInside, writeInside } from "../../../../src/engines/local/base/inside";

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

describe("writing", () => {
  it("replaces a link instead of following it", () => {
    mkdirSync(join(root, "etc"));
    symlinkSync(join(home, "secret"), join(root, "etc/resolv.conf"));
    writeInside(root, { path: "/etc/resolv.conf", mode: 0o644, content: "ours" });
    expect(readFileSync(join(home, "secret"), "utf8")).toBe("the machine's");
    expect(lstatSync(join(root, "etc/resolv.conf")).isFile()).toBe(true);
    expect(readInside(root, "/etc/resolv.conf")).toBe("ours");
  });

  it("makes missing directories, with the mode asked for whatever the umask", () => {
    writeInside(root, { path: "/etc/deep/er/file", mode: 0o440, content: "x" });
    expect(lstatSync(join(root, "etc/deep/er/file")).mode & 0o7777).toBe(0o440);
    expect(lstatSync(makeDirInside(root, "/tmp", 0o1777)).mode & 0o7777).toBe(0o1777);
  });

  it("puts a directory in the place of a file or of a dangling link, inside", () => {
    writeFileSync(join(root, "dev"), "");
    symlinkSync("/run/tmp", join(root, "tmp"));
    mkdirSync(join(root, "run"));
    expect(makeDirInside(root, "/dev", 0o755)).toBe(join(root, "dev"));
    expect(makeDirInside(root, "/tmp", 0o1777)).toBe(join(root, "run/tmp"));
    expect(existsSync("/run/tmp")).toBe(false);
  });
});
