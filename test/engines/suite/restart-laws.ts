import { describe, expect, test } from "vitest";
import { Bench, type EngineUnderTest, run } from "./engine-under-test";

/** A server that comes back finds its sandboxes running, and nothing of what nobody knows. */
export function restartLaws(under: EngineUnderTest): void {
  describe("restart", () => {
    test("known sandboxes are adopted with all they wrote and run; unknown ones are removed", async () => {
      const bench = new Bench(under);
      await bench.start();
      const checkpoint = await bench.build([run("echo built > /built")]);
      const [known, unknown] = [await bench.sandbox(checkpoint), await bench.sandbox(checkpoint)];
      await bench.sh(known, "echo kept > /tmp/kept; sleep 4730 >/dev/null 2>&1 &");
      await bench.engine.stop();

      await bench.start([known]);
      expect(await bench.engine.sandboxStatus(known)).toBe("running");
      expect(await bench.engine.sandboxStatus(unknown)).toBe("stopped");
      expect((await bench.sh(known, "cat /built /tmp/kept; pgrep -fc '[s]leep 4730'")).stdout).toBe("built\nkept\n1\n");
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(true);

      await bench.engine.destroySandbox(known);
      await bench.engine.stop();
    });

    test("what runs in the background may print on; commands have the same rights as before; the agent may be killed", async () => {
      const bench = new Bench(under);
      await bench.start();
      const id = await bench.sandbox();
      const rights = "ulimit -n; ulimit -c; umask; grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status";
      const before = await bench.sh(id, rights, { user: "root" });
      const printer = "for n in 1 2 3 4; do sleep 0.5; echo $n; echo $n >&2; done; echo lived > /tmp/lived";
      await bench.sh(id, `(${printer}) &`);
      await bench.engine.stop();

      await bench.start([id]);
      expect(await bench.sh(id, rights, { user: "root" })).toEqual(before);
      expect((await bench.sh(id, "sleep 2.5; cat /tmp/lived")).stdout).toBe("lived\n");
      await bench.sh(id, "pkill -9 -f '[o]pencomputer-agent serve'", { user: "root" });
      expect(await bench.sh(id, "echo alive")).toMatchObject({ exitCode: 0, stdout: "alive\n" });

      await bench.engine.destroySandbox(id);
      await bench.engine.stop();
    });
  });
}
