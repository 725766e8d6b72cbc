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
  const found = findBinaries(
    { runtime: "runc" },
    [dirOf("bin", [...TOOLS, "runc"])],
    dirOf("own", ["opencomputer-hand"]),
  );
  await expect(found).rejects.toMatchObject({
    code: "requirement_missing",
    message: expect.stringMatching(/own\/opencomputer-agent.*npm run build.*gcc/),
  });
});

/** A directory of programs that only say their version. */
function dirOf(name: string, programs: readonly string[], version = "1.5.2"): string {
  const dir = join(root, name);
  mkdirSync(dir);
  for (const program of programs) {
    writeFileSync(join(dir, program), `#!/bin/sh\necho "${program} version ${version} of ${name}"\n`);
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
  const { runtime } = await findBinaries({ runtime: wanted }, [dirOf("bin", [...TOOLS, ...installed])], own());
  expect(runtime).toEqual({ kind, path: join(root, "bin", kind), version: "1.5.2 of bin" });
});

test("the first directory wins", async () => {
  const dirs = [dirOf("path", [...TOOLS, "runc"]), dirOf("cache", ["runc"])];
  expect(await findBinaries({ runtime: "auto" }, dirs, own())).toMatchObject({
    runtime: { version: "1.5.2 of path" },
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
  await expect(findBinaries({ runtime: wanted }, [dirOf("bin", installed)], own())).rejects.toMatchObject({
    code: "requirement_missing",
    message: expect.stringMatching(message),
  });
});

test("a runc that is open to known escapes is passed over", async () => {
  const dirs = [dirOf("path", [...TOOLS, "runc"], "1.1.5"), dirOf("cache", ["runc"], "1.3.3")];
  expect(await findBinaries({ runtime: "runc" }, dirs, own())).toMatchObject({
    runtime: { version: "1.3.3 of cache" },
  });
});

test.each(["runc", "auto"] as const)(
  "%s: where there is no other, it is refused, unless that very version was accepted",
  async (runtime) => {
    const dirs = [dirOf("path", [...TOOLS, "runc"], "1.1.5"), dirOf("cache", ["runc"], "1.3.2")];
    const mine = own();
    for (const acceptRunc of [undefined, "1.1.5", "1.3.3 of cache"]) {
      await expect(findBinaries({ runtime, ...(acceptRunc ? { acceptRunc } : {}) }, dirs, mine)).rejects.toMatchObject({
        code: "requirement_missing",
        message: expect.stringMatching(
          /path\/runc: runc 1\.1\.5 of path is open to CVE-2024-21626.*OPENCOMPUTER_ACCEPT_RUNC=1/,
        ),
      });
    }
    const { runtime: accepted } = await findBinaries({ runtime, acceptRunc: "1.3.2 of cache" }, dirs, mine);
    expect(accepted).toMatchObject({ kind: "runc", version: "1.3.2 of cache" });
  },
);

test("beside a runsc that is used, a bad runc does no harm", async () => {
  const dirs = [dirOf("path", [...TOOLS, "runc"], "1.1.5"), dirOf("cache", ["runsc"])];
  expect(await findBinaries({ runtime: "auto" }, dirs, own())).toMatchObject({ runtime: { kind: "runsc" } });
});
