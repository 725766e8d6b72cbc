import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findBinaries } from "../../../src/engines/local/binaries";

const TOOLS = ["mount", "umount", "unshare", "nsenter", "flock", "ip", "nft"];
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "binaries-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

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
  const { runtime } = await findBinaries(wanted, [dirOf("bin", [...TOOLS, "catatonit", ...installed])]);
  expect(runtime).toEqual({ kind, path: join(root, "bin", kind), version: "1.2 of bin" });
});

test("the first directory wins", async () => {
  const dirs = [dirOf("path", [...TOOLS, "runc"]), dirOf("cache", ["runc", "tini-static"])];
  expect(await findBinaries("auto", dirs)).toMatchObject({
    runtime: { version: "1.2 of path" },
    init: { path: join(root, "cache", "tini-static"), args: ["--", "sleep", "infinity"] },
  });
});

test.each([
  ["auto", [...TOOLS, "catatonit"], /container runtime.*apt-get install runc/],
  ["auto", [...TOOLS, "catatonit", "crun"], /container runtime \(runsc or runc\)/],
  ["runsc", [...TOOLS, "catatonit", "runc"], /container runtime runsc.*gvisor.dev/],
  ["auto", [...TOOLS, "runc"], /catatonit.*apt-get install catatonit/],
  ["auto", ["runc", "catatonit"], /the program mount/],
  ["auto", [...TOOLS.filter((tool) => tool !== "nft"), "runc", "catatonit"], /nft.*apt-get install nftables/],
] as const)("%s of %j: says what is missing and how to get it", async (wanted, installed, message) => {
  await expect(findBinaries(wanted, [dirOf("bin", installed)])).rejects.toMatchObject({
    code: "requirement_missing",
    message: expect.stringMatching(message),
  });
});
