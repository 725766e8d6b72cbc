import { describe, expect, test } from "vitest";
import { type EngineUnderTest, run, textOf, useSandboxes } from "./engine-under-test";

/** Sandboxes start alike, do not know each other, bear their limits, and leave nothing behind. */
export function sandboxLaws(under: EngineUnderTest): void {
  describe("sandboxes", () => {
    const { bench, sandbox } = useSandboxes(under);

    test("two of one checkpoint start alike and do not see each other's files or processes", async () => {
      const checkpoint = await bench.build([run("echo common > /common")]);
      const [one, two] = await Promise.all([sandbox(checkpoint), sandbox(checkpoint)]);
      await bench.sh(one, "echo mine > /tmp/mine; sudo rm /common; sleep 4720 >/dev/null 2>&1 &");
      expect((await bench.sh(two, "cat /common; ls /tmp/mine; pgrep -f '[s]leep 4720'")).stdout).toBe("common\n");
      expect((await bench.sh(one, "ls /common")).exitCode).not.toBe(0);
    });

    test("the life of one: running, conflict, destroyed, stopped, destroyed again", async () => {
      const id = await sandbox();
      expect(await bench.engine.sandboxStatus(id)).toBe("running");
      const spec = { id, checkpoint: await bench.build([]), memoryMB: 512, cpuCount: 1 };
      await expect(bench.engine.createSandbox(spec, bench.signal)).rejects.toMatchObject({ code: "conflict" });
      expect(await bench.sh(id, "echo still here")).toMatchObject({ stdout: "still here\n" });
      for (const _ of [1, 2]) {
        await bench.engine.destroySandbox(id);
        expect(await bench.engine.sandboxStatus(id)).toBe("stopped");
      }
      expect(await bench.engine.sandboxStatus("sb-never")).toBe("stopped");
    });

    test("destroying one many times at once takes nothing from those that start meanwhile", async () => {
      const get = "import urllib.request as u, sys; print(u.urlopen(sys.argv[1], timeout=3).status)";
      for (const _ of [1, 2, 3]) {
        const id = await sandbox();
        const ends = [0, 20, 40, 60, 80, 100].map(
          (delayMs) =>
            new Promise<void>((resolve, reject) => {
              setTimeout(() => bench.engine.destroySandbox(id).then(resolve, reject), delayMs);
            }),
        );
        const next = await Promise.all([sandbox(), sandbox(), sandbox()]);
        await Promise.all(ends);
        for (const other of next) {
          expect(await bench.run(other, ["python3", "-c", get, under.reachableUrl()])).toMatchObject({ exitCode: 0 });
        }
        for (const other of next) await bench.engine.destroySandbox(other);
      }
    });

    test("an id that could be a path is none", async () => {
      await expect(bench.engine.destroySandbox("../layers")).rejects.toMatchObject({ code: "invalid_input" });
    });

    test("a create that was aborted leaves nothing", async () => {
      const before = under.holdings();
      const spec = { id: "sb-aborted", checkpoint: await bench.build([]), memoryMB: 512, cpuCount: 1 };
      await expect(bench.engine.createSandbox(spec, AbortSignal.abort())).rejects.toMatchObject({ code: "aborted" });
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 15);
      await expect(bench.engine.createSandbox(spec, controller.signal)).rejects.toMatchObject({ code: "aborted" });
      expect(await bench.engine.sandboxStatus("sb-aborted")).toBe("stopped");
      expect(under.holdings().filter((line) => !before.includes(line) && line.includes("sb-aborted"))).toEqual([]);
    });

    test("destroying ends what runs in it", async () => {
      const id = await sandbox();
      const argv = ["sleep", "600"] as const;
      const execution = await bench.engine.exec(id, { argv, env: {}, cwd: null, user: "sandbox", timeoutMs: 0 });
      const outputs = [textOf(execution.stdout), textOf(execution.stderr)];
      await bench.engine.destroySandbox(id);
      expect(await execution.result).toEqual({ exitCode: -1, timedOut: false });
      expect(await Promise.all(outputs)).toEqual(["", expect.any(String)]);
    });

    test("memory is limited, and neighbours do not notice", async () => {
      const [greedy, neighbour] = [await sandbox(undefined, { memoryMB: 256 }), await sandbox()];
      const hog = "import time\nkeep = [b'x' * (1 << 20) for _ in range(1500)]\ntime.sleep(1)";
      const { exitCode } = await bench.run(greedy, ["python3", "-c", hog]);
      expect([137, -1]).toContain(exitCode);
      expect(await bench.sh(neighbour, "echo fine")).toMatchObject({ exitCode: 0, stdout: "fine\n" });
      const expected = under.limitsEnd === "sandbox" ? "stopped" : "running";
      expect(await bench.engine.sandboxStatus(greedy)).toBe(expected);
    });

    test("processes are limited, neighbours do not notice, and the sandbox can still be destroyed", async () => {
      // Enough memory, so that it is the number that ends it.
      const [bomber, neighbour] = [await sandbox(undefined, { memoryMB: 2048 }), await sandbox()];
      const bomb = `import os, time
n = 0
try:
  while n < 2000:
    if os.fork() == 0: time.sleep(30); os._exit(0)
    n += 1
    print(n, flush=True)
except OSError: pass`;
      const { stdout } = await bench.run(bomber, ["python3", "-c", bomb], { timeoutMs: 60_000 });
      const reached = Number(stdout.trim().split("\n").at(-1));
      expect(reached).toBeGreaterThan(300);
      expect(reached).toBeLessThan(600);
      expect(await bench.sh(neighbour, "echo fine")).toMatchObject({ exitCode: 0, stdout: "fine\n" });
      const expected = under.limitsEnd === "sandbox" ? "stopped" : "running";
      expect(await bench.engine.sandboxStatus(bomber)).toBe(expected);
    });

    test("the CPU is limited", async () => {
      // The same work, by the sandbox's own clock on the wall.
      const work =
        "import time\nstart = time.monotonic()\nfor n in range(8_000_000): pass\nprint(time.monotonic() - start)";
      const seconds = async (cpuCount: number) =>
        Number((await bench.run(await sandbox(undefined, { cpuCount }), ["python3", "-c", work])).stdout);
      expect(await seconds(0.1)).toBeGreaterThan(2.5 * (await seconds(1)));
    });
  });
}
