import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildEvent } from "../../../src/engines/engine";
import type { Step } from "../../../src/image/image-manifest";
import { Bench } from "../suite/engine-under-test";
import { type LocalUnderTest, toEngineUnderTest } from "./local-under-test";

/** What the host keeps of what steps download, and that nobody inside can make it do harm. */
export function downloadLaws(local: LocalUnderTest): void {
  describe("kept downloads", () => {
    const apt = (...packages: string[]): Step => ({ type: "apt_install", args: { packages } });
    const pip = (...packages: string[]): Step => ({ type: "pip_install", args: { packages } });
    const root = join(local.home, "downloads");
    let bench: Bench;
    beforeAll(async () => {
      bench = new Bench(toEngineUnderTest(local));
      await bench.start();
    });
    afterAll(async () => bench.engine.stop());

    const kept = () =>
      readdirSync(root, { recursive: true, withFileTypes: true, encoding: "utf8" })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();

    test.each([
      ["archives", apt("oc-hello=1.0"), apt("oc-hello=1.0", "oc-needs-hello"), /\/archives\//],
      ["lists", apt("oc-needs-hello"), apt("oc-needs-hello", "oc-hello=1.0"), /\/lists\/.*Packages@/],
      ["releases", apt("oc-hello=2.0"), apt("oc-hello=2.0", "oc-needs-hello"), /\/lists\/.*Release@/],
      ["responses", pip("oc-greet==1.0"), pip("oc-greet==1.0", "oc-needs-greet"), /\/pip\//],
    ])("%s that rot are noticed and replaced", async (what, first, second, files) => {
      await bench.engine.collect([]);
      await bench.build([first], { scope: `rot ${what}` });
      const rotten = kept().filter((file) => files.test(file));
      expect(rotten).not.toEqual([]);
      for (const file of rotten) rot(file);
      await bench.build([second], { scope: `rot ${what}` });
      for (const file of rotten) expect(isRotten(file)).toBe(false);
    });

    test("a package that turns on the downloads changes nothing on the host and nothing for later steps", async () => {
      const scope = "rude";
      await bench.engine.collect([]);
      await bench.build([apt("oc-hello=1.0", "oc-needs-hello")], { scope });
      const before = new Map(kept().map((file) => [file, readFileSync(file, "utf8")]));
      const etc = statSync("/etc").mtimeMs;
      const rude = bench.build([apt("oc-needs-hello", "oc-rude")], { scope });
      await rude.catch((error: unknown) => expect(error).toMatchObject({ code: "build_failed" }));
      expect(statSync("/etc").mtimeMs).toBe(etc);
      for (const [file, content] of before) expect(readFileSync(file, "utf8")).toBe(content);
      const log: BuildEvent[] = [];
      await bench.build([apt("oc-hello=1.0")], { scope, log });
      expect(log.map(({ message }) => message)).toContain("1 of 1 packages were downloaded by an earlier step");
    });

    test("they belong to the host's root alone, and a collection removes them", async () => {
      await bench.build([pip("oc-greet")], { scope: "collected" });
      expect(kept()).not.toEqual([]);
      expect(statSync(root).mode & 0o777).toBe(0o700);
      for (const file of kept()) expect(statSync(file)).toMatchObject({ uid: 0, gid: 0, mode: 0o100644, nlink: 1 });
      await bench.engine.collect([]);
      expect(() => statSync(root)).toThrow("ENOENT");
    });
  });
}

const [FROM, TO] = [64, 160];

/** Same length, same times, other bytes in its first part: what a file is can still be told. */
function rot(file: string): void {
  const { atime, mtime } = statSync(file);
  writeFileSync(file, readFileSync(file).fill("#", FROM, TO));
  utimesSync(file, atime, mtime);
}

function isRotten(file: string): boolean {
  return existsSync(file) && /^#+$/.test(readFileSync(file, "latin1").slice(FROM, TO));
}
