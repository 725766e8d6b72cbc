import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ExecSpec } from "../../../src/engines/engine";
import type { AgentCommand, AgentStart } from "../../../src/engines/local/agent-command";
import { execInContainer } from "../../../src/engines/local/container-exec";
import { processStart } from "../../../src/engines/local/process-identity";
import { writePassingRecord } from "../../../src/engines/local/record-file";

const SPEC: ExecSpec = { argv: ["true"], cwd: null, user: "sandbox", env: {}, timeoutMs: 1_000 };
let dir: string;
let container: ChildProcess;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "oc-exec-"));
  container = spawn("sleep", ["60"], { stdio: "ignore" });
  const pid = container.pid as number;
  const record = { slot: 0, claim: "", layers: [], runtime: "runc", process: { pid, start: await processStart(pid) } };
  await writePassingRecord(join(dir, "container.json"), record);
});

afterEach(() => {
  container.kill("SIGKILL");
  rmSync(dir, { recursive: true });
});

/** What a start comes to whose agent answers so. */
const startWith = (start: AgentStart | Error) => {
  const command = { started: Promise.resolve(start) } as unknown as AgentCommand;
  const connection = { start: () => command, close: () => {}, isOpen: () => true, hold: async () => {} };
  const of = async () => {
    if (start instanceof Error) throw start;
    return connection;
  };
  const deps = { agents: { of }, facts: { env: {} } } as unknown as Parameters<typeof execInContainer>[0];
  return execInContainer(deps, dir, SPEC);
};

describe("a command that did not start", () => {
  test.each([
    ["its connection is lost", { kind: "lost" }],
    ["there is no room", { kind: "failed", errno: 11 }],
    ["no connection can be made", new Error("no route")],
  ] as const)("%s, and its container has ended: gone", async (_, start) => {
    container.kill("SIGKILL");
    await once(container, "exit");
    await expect(startWith(start)).rejects.toMatchObject({ code: "gone" });
  });

  test.each([
    ["its connection is lost", { kind: "lost" }],
    ["no connection can be made", new Error("no route")],
  ] as const)("%s a moment before its container ends: gone", async (_, start) => {
    setTimeout(() => container.kill("SIGKILL"), 200);
    await expect(startWith(start)).rejects.toMatchObject({ code: "gone" });
  });

  test.each([
    ["its connection is lost", { kind: "lost" }, { code: "unavailable" }],
    ["there is no room", { kind: "failed", errno: 11 }, { code: "internal" }],
    ["no connection can be made", new Error("no route"), { message: "no route" }],
  ] as const)("%s, and its container runs on: says so", async (_, start, error) => {
    await expect(startWith(start)).rejects.toMatchObject(error);
  });
});
