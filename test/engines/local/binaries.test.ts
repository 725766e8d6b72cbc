import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findBinaries } from "../../../src/engines/local/binaries";

const TOOLS = ["unshare", "flock", "ip", "nft"];
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "binaries-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const own = () => dirOf("own", ["opencomputer-agent", "opencomputer-hand"]);

test("programs of its own that nobody has compiled: says how to get them", async () => {
  const found = findBinaries("runc", [dirOf("bin", [...TOOLS, "runc"])], dirOf("own", ["opencomputer-hand"]));
  await expect(found).rejects.toMatchObject({
    code: "requirement_missing",
    message: expect.stringMatching(/own\/opencomputer-agent.*npm run build.*gcc/),
  });
});

/** A directory of programs that only say their version. */
function dirOf(name: string, programs: readonly string[]): string {
  const dir = join(root, name);
  mkdirSync(dir);
  for (const program of programs) {
    writeFileSync(join(dir, program), `#!/bin/sh\necho "${program} version 1.2 of ${name}"\n`);
    chmodSync(join(dir, program), 0o755);
  }
  return dir;
}

test.each([
  ["auto", ["runc", "runsc"], "runsc"],
  ["auto", ["runc"], "runc"],
  ["runc", ["runc", "runsc"], "runc"],
  ["crun", ["runc", "crun"], "crun"],
] as const)("%s of %j is %s", async (wanted, installed, kind) => {
  const { runtime } = await findBinaries(wanted, [dirOf("bin", [...TOOLS, ...installed])], own());
  expect(runtime).toEqual({ kind, path: join(root, "bin", kind), version: "1.2 of bin" });
});

test("the first directory wins", async () => {
  const dirs = [dirOf("path", [...TOOLS, "runc"]), dirOf("cache", ["runc"])];
  expect(await findBinaries("auto", dirs, own())).toMatchObject({
    runtime: { version: "1.2 of path" },
    agent: join(root, "own", "opencomputer-agent"),
    hand: join(root, "own", "opencomputer-hand"),
  });
});

test.each([
  ["auto", TOOLS, /container runtime.*apt-get install runc/],
  ["auto", [...TOOLS, "crun"], /container runtime \(runsc or runc\)/],
  ["runsc", [...TOOLS, "runc"], /container runtime runsc.*gvisor.dev/],
  ["auto", ["runc"], /the program unshare/],
  ["auto", [...TOOLS.filter((tool) => tool !== "nft"), "runc"], /nft.*apt-get install nftables/],
] as const)("%s of %j: says what is missing and how to get it", async (wanted, installed, message) => {
  await expect(findBinaries(wanted, [dirOf("bin", installed)], own())).rejects.toMatchObject({
    code: "requirement_missing",
    message: expect.stringMatching(message),
  });
});
