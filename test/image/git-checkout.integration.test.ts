import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Image } from "../../src/image/image";

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "oc-checkout-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** Nobody's settings but those that are given. */
const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@localhost", ...args], {
    env: { PATH: process.env["PATH"], HOME: top, GIT_CONFIG_NOSYSTEM: "1" },
    stdio: "pipe",
    timeout: 30_000,
  });

/** A repository with lines that end in LF and others that end in CRLF. */
function commit(attributes: string): string {
  const source = join(top, "source");
  mkdirSync(source);
  git("init", "-q", source);
  writeFileSync(join(source, ".gitattributes"), attributes);
  writeFileSync(join(source, "lf.txt"), "one\ntwo\n");
  writeFileSync(join(source, "crlf.txt"), "one\r\ntwo\r\n");
  git("-C", source, "add", "-A");
  git("-C", source, "commit", "-q", "-m", "files");
  return source;
}

function checkout(source: string, autocrlf: string): string {
  const target = join(top, `clone-${autocrlf}`);
  git("clone", "-q", "-c", `core.autocrlf=${autocrlf}`, source, target);
  return target;
}

const SETTINGS = ["true", "false", "input"];

describe("a checkout", () => {
  it("has one hash with `* -text`, whatever core.autocrlf says", () => {
    const source = commit("* -text\n");
    const hashes = SETTINGS.map((one) => Image.base().addLocalDir(checkout(source, one), "/app").cacheKey());
    expect(new Set([...hashes, Image.base().addLocalDir(source, "/app").cacheKey()]).size).toBe(1);
  });

  it("is another image where the setting changed line ends: bytes are what counts", () => {
    const source = commit("");
    const [changed = "", same = ""] = SETTINGS.map((one) => checkout(source, one));
    expect(readFileSync(join(changed, "lf.txt"), "utf8")).toBe("one\r\ntwo\r\n");
    const keys = [changed, same].map((dir) => Image.base().addLocalDir(dir, "/app").cacheKey());
    expect(keys[0]).not.toBe(keys[1]);
  });
});
