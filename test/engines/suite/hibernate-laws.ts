import { describe, expect, test } from "vitest";
import { type EngineUnderTest, useSandboxes } from "./engine-under-test";

/** A sandbox that sleeps costs nothing but its files, and is there again when it is woken. */
export function hibernateLaws(under: EngineUnderTest): void {
  describe("hibernation", () => {
    const { bench, sandbox } = useSandboxes(under);
    const specOf = async (id: string) => ({ id, checkpoint: await bench.build([]), memoryMB: 512, cpuCount: 1 });
    const wake = async (id: string) => bench.engine.wake(await specOf(id), bench.signal);
    const hibernate = (id: string) => bench.engine.hibernate(id, bench.signal);

    test("the life of one: asleep it holds nothing but its files; awake it is there again; both may be said twice", async () => {
      const id = await sandbox();
      await bench.sh(id, "echo kept > /tmp/kept");
      for (const _ of [1, 2]) {
        const { kind, sizeBytes } = await hibernate(id);
        expect(bench.engine.describe().checkpointKinds).toContain(kind);
        expect(sizeBytes).toBeGreaterThan(0);
        expect(await bench.engine.sandboxStatus(id)).toBe("hibernated");
      }
      expect(under.holdings().filter((line) => line.includes(id))).toEqual([]);
      await expect(bench.sh(id, "true")).rejects.toMatchObject({ code: "gone" });
      for (const _ of [1, 2]) {
        await wake(id);
        expect(await bench.engine.sandboxStatus(id)).toBe("running");
      }
      expect((await bench.sh(id, "cat /tmp/kept; hostname")).stdout).toBe(`kept\n${id}\n`);
    });

    test("memory and processes stay where the engine says that it kept them", async () => {
      const id = await sandbox();
      await bench.sh(id, "sleep 4750 >/dev/null 2>&1 &");
      const { kind } = await hibernate(id);
      await bench.engine.collect([]);
      await wake(id);
      expect((await bench.sh(id, "pgrep -fc '[s]leep 4750'")).stdout).toBe(kind === "full" ? "1\n" : "0\n");
    });

    test("what is stopped neither sleeps nor wakes", async () => {
      const id = await sandbox();
      await bench.engine.destroySandbox(id);
      await expect(hibernate(id)).rejects.toMatchObject({ code: "gone" });
      await expect(wake(id)).rejects.toMatchObject({ code: "gone" });
    });

    test("checkpoints of a sleeping one: others start from it, it sleeps on, and wakes as it was", async () => {
      const id = await sandbox();
      await bench.sh(id, "echo one > /tmp/one");
      await hibernate(id);
      const first = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      const second = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      expect(await bench.engine.sandboxStatus(id)).toBe("hibernated");
      expect((await bench.sh(await sandbox(first.checkpoint), "cat /tmp/one; echo two > /tmp/one")).stdout).toBe(
        "one\n",
      );
      await wake(id);
      await bench.sh(id, "cat /tmp/one; echo three > /tmp/three");
      await hibernate(id);
      const third = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      expect((await bench.sh(await sandbox(third.checkpoint), "cat /tmp/one /tmp/three")).stdout).toBe("one\nthree\n");
      expect((await bench.sh(await sandbox(second.checkpoint), "cat /tmp/one; ls /tmp/three")).stdout).toBe("one\n");
    });

    test("a sleeping one keeps its layers from the collection; restore wakes it, destroy ends it", async () => {
      const id = await sandbox();
      await bench.sh(id, "echo one > /tmp/one");
      await hibernate(id);
      const { checkpoint } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      await bench.engine.collect([]);
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(true);
      await bench.engine.restore({ ...(await specOf(id)), checkpoint }, bench.signal);
      expect((await bench.sh(id, "cat /tmp/one")).stdout).toBe("one\n");
      await hibernate(id);
      await bench.engine.destroySandbox(id);
      expect(await bench.engine.sandboxStatus(id)).toBe("stopped");
      await expect(wake(id)).rejects.toMatchObject({ code: "gone" });
    });

    test("a restart of the server leaves those asleep that it knows, and removes the others", async () => {
      const [known, unknown] = [await sandbox(), await sandbox()];
      await bench.sh(known, "echo kept > /tmp/kept");
      for (const id of [known, unknown]) await hibernate(id);
      await bench.engine.stop();
      await bench.start([known]);
      expect(await bench.engine.sandboxStatus(known)).toBe("hibernated");
      expect(await bench.engine.sandboxStatus(unknown)).toBe("stopped");
      await wake(known);
      expect((await bench.sh(known, "cat /tmp/kept")).stdout).toBe("kept\n");
    });

    test("everything at once, for one sandbox: one after the other, and its end ends it all", async () => {
      const id = await sandbox();
      const all = await Promise.allSettled([
        hibernate(id),
        bench.engine.checkpoint(id, "disk_only", bench.signal),
        wake(id),
        bench.engine.checkpoint(id, "disk_only", bench.signal),
        hibernate(id),
      ]);
      expect(all.map(({ status }) => status)).toEqual(Array(5).fill("fulfilled"));
      const late = wake(id).catch((error: Error) => error);
      await bench.engine.destroySandbox(id);
      await late;
      expect(await bench.engine.sandboxStatus(id)).toBe("stopped");
      expect(under.holdings().filter((line) => line.includes(id))).toEqual([]);
    });
  });
}
