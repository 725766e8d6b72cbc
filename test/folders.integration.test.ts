import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFolders } from "../src/folders";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-folders-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "nr_inodes=1", "none", dir]);
});
afterAll(() => {
  execFileSync("umount", [dir]);
  rmSync(dir, { recursive: true });
});

test("a disk that has no room for a folder is told as such", async () => {
  await expect(makeFolders(join(dir, "a", "b"))).rejects.toMatchObject({ code: "ENOSPC" });
});
