import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endAbandonedStarts, ON_PIPES } from "../../../src/engines/local/agent-channel";

let dirs: string[];
beforeEach(() => {
  dirs = [1, 2].map(() => mkdtempSync(join(tmpdir(), "oc-pipes-")));
});
afterEach(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true });
});

test("what waits for a server that died is ended, and nothing of another home", async () => {
  const waiting = dirs.map((dir) => {
    const base = join(dir, "sb-1.agent");
    execFileSync("mkfifo", [`${base}.in`, `${base}.out`]);
    return spawn("/bin/sh", ["-c", ON_PIPES, base, "sleep", "60"], { stdio: "ignore" });
  });
  const [ours, theirs] = waiting;
  if (!ours || !theirs) throw new Error("nothing was started");
  const over = once(ours, "exit");
  await endAbandonedStarts(dirs[0] ?? "");
  expect((await over)[1]).toBe("SIGKILL");
  expect(theirs.exitCode ?? theirs.signalCode).toBe(null);
  theirs.kill("SIGKILL");
});
