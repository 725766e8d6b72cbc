import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { raiseHostLimits } from "../../../src/engines/local/host-limits";

let root: string;
let said: string[];
const FOUND = {
  "fs/inotify/max_user_instances": "128\n",
  "fs/inotify/max_user_watches": "2147483647\n",
  "fs/file-max": "9223372036854775807\n",
  "kernel/pty/max": "65536\n",
} as const;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "oc-limits-"));
  said = [];
  for (const dir of ["fs/inotify", "kernel/pty"]) await mkdir(join(root, dir), { recursive: true });
  for (const [name, text] of Object.entries(FOUND)) await writeFile(join(root, name), text);
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("what is lower is raised, what is higher stays, what is not there is told", async () => {
  await raiseHostLimits((line) => said.push(line), root);
  expect(await readFile(join(root, "fs/inotify/max_user_instances"), "utf8")).toBe("2147483647");
  expect(await readFile(join(root, "fs/inotify/max_user_watches"), "utf8")).toBe("2147483647\n");
  expect(await readFile(join(root, "fs/file-max"), "utf8")).toBe("9223372036854775807\n");
  expect(said).toEqual([
    "raised fs.inotify.max_user_instances from 128 to 2147483647: all sandboxes share it",
    "cannot raise kernel.pid_max (ENOENT): one sandbox may take all of it from the others",
  ]);
});
