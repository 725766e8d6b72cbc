import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Checkpoint } from "../../../src/engines/engine";
import type { Failpoint } from "../../../src/failpoint";
import { Bench } from "../suite/engine-under-test";
import { type LocalUnderTest, toEngineUnderTest } from "./local-under-test";

interface Told {
  readonly number: number;
  readonly checkpoint: Checkpoint;
}

const ROUNDS = 8;

/** Counts in its memory and in a file at once. */
const COUNTER = `import os
f = os.open("/tmp/count", os.O_RDWR | os.O_CREAT, 0o644)
n = 0
while True:
    n += 1
    os.pwrite(f, b"%012d" % n, 0)
    os.fsync(f)`;

/** A server may be killed at any moment: what was told stands, and the sandbox runs or sleeps. */
export function crashLaws(local: LocalUnderTest): void {
  describe("a server that is killed between two states of a sandbox", () => {
    let bench: Bench;
    let id: string;
    beforeAll(async () => {
      bench = new Bench(toEngineUnderTest(local));
      await bench.start();
      id = await bench.sandbox();
    });
    afterAll(async () => {
      await bench.engine.destroySandbox(id);
      await bench.engine.stop();
      expect(local.holdings()).toEqual([]);
    });

    test("leaves one that runs or sleeps, and every checkpoint that it told of", async () => {
      const told: Told[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        await bench.engine.stop();
        const server = startServer(local, id, told.length);
        const lines = await killAfter(server, 100 + Math.random() * 1_500);
        told.push(...lines.map((line): Told => JSON.parse(line)));
        await bench.start([id]);
        expect(["running", "hibernated"]).toContain(await bench.engine.sandboxStatus(id));
        await bench.engine.wake({ id, checkpoint: await bench.build([]), memoryMB: 512, cpuCount: 1 }, bench.signal);
        const { stdout } = await bench.sh(id, "cat /tmp/number 2>/dev/null; true");
        expect(Number(stdout)).toBeGreaterThanOrEqual(told.at(-1)?.number ?? 0);
        expect(readdirSync(join(local.home, "active"))).toEqual([]);
      }
      expect(told.length).toBeGreaterThan(0);
      for (const { number, checkpoint } of told.slice(-6)) {
        const other = await bench.sandbox(checkpoint);
        expect(await bench.sh(other, "cat /tmp/number")).toMatchObject({ stdout: String(number) });
        await bench.engine.destroySandbox(other);
      }
      await bench.engine.collect([]);
      expect(readdirSync(join(local.home, "memory"))).toEqual([]);
    });

    test("as it falls asleep: its files stay those of the moment of its memory", async () => {
      const count = () => Number(readFileSync(join(local.home, "sandboxes", id, "fs/tmp/count"), "utf8"));
      // Not of this server's commands, which end with it.
      await bench.engine.exec(id, { ...COMMAND, argv: ["setsid", "python3", "-c", COUNTER] });
      await bench.sh(id, "until [ -s /tmp/count ]; do sleep 0.05; done");
      await bench.engine.stop();
      await killAt(local, id, "sleep.written");
      const saved = count();
      await bench.start([id]);
      expect(await bench.engine.sandboxStatus(id)).toBe("hibernated");
      // Where nothing of its memory is kept, there is nothing that they must fit.
      if (local.runtime === "runsc") expect(count()).toBe(saved);
      await bench.engine.wake({ id, checkpoint: await bench.build([]), memoryMB: 512, cpuCount: 1 }, bench.signal);
      const { stdout } = await bench.sh(id, "pgrep -fc '[t]mp/count'");
      expect(stdout).toBe(local.runtime === "runsc" ? "1\n" : "0\n");
      await bench.sh(id, "pkill -f '[t]mp/count'");
    });
  });
}

const COMMAND = { env: {}, cwd: null, user: "sandbox", timeoutMs: 0 } as const;

function startServer(local: LocalUnderTest, id: string, from: number, env: object = {}): ChildProcess {
  const program = join(__dirname, "../../../node_modules/.bin/vite-node");
  const argv = [join(__dirname, "killed-transitions.ts"), local.home, local.runtime, id, String(from)];
  return spawn(program, argv, {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
    env: { ...process.env, ...env },
  });
}

/** Runs one that ends itself where it comes to this place. */
async function killAt(local: LocalUnderTest, id: string, failpoint: Failpoint): Promise<void> {
  const server = startServer(local, id, 0, { OPENCOMPUTER_FAILPOINT: failpoint });
  server.stdout?.resume();
  const [, signal] = await once(server, "exit", { signal: AbortSignal.timeout(60_000) });
  expect(signal).toBe("SIGKILL");
}

/** What it said, in whole lines, until it was killed so long after it was ready. */
async function killAfter(server: ChildProcess, delayMs: number): Promise<string[]> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    server.once("exit", () => reject(new Error("the server ended early")));
    server.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.startsWith("ready\n")) resolve();
    });
  });
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  const ended = new Promise((resolve) => server.once("close", resolve));
  process.kill(-(server.pid ?? 0), "SIGKILL");
  await ended;
  return said.slice("ready\n".length).split("\n").slice(0, -1);
}
