import { describe, expect, test } from "vitest";
import { type EngineUnderTest, env, run, useSandboxes, workdir } from "./engine-under-test";

/** A checkpoint is what a sandbox was at one moment: whole, for ever, whatever becomes of the sandbox. */
export function checkpointLaws(under: EngineUnderTest): void {
  describe("checkpoints", () => {
    const { bench, sandbox } = useSandboxes(under);
    const specOf = async (id: string) => ({ id, checkpoint: await bench.build([]), memoryMB: 512, cpuCount: 1 });

    test("of a running sandbox: others start from its files, it runs on, neither sees the other from then on", async () => {
      const steps = [
        run("echo base > /based; mkdir /dir; echo old > /dir/old"),
        env({ COLOUR: "blue" }),
        workdir("/w"),
      ];
      const id = await sandbox(await bench.build(steps));
      await bench.sh(id, "echo one > /w/file; sleep 4740 >/dev/null 2>&1 &");
      const { checkpoint, sizeBytes } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      expect(sizeBytes).toBeGreaterThan(0);
      expect(checkpoint).toMatchObject({ env: { COLOUR: "blue" }, workdir: "/w" });
      await bench.sh(id, "echo two > /w/file; rm /based", { user: "root" });
      const other = await sandbox(checkpoint);
      expect((await bench.sh(other, "cat /w/file /based; pgrep -fc '[s]leep 4740'")).stdout).toBe("one\nbase\n0\n");
      expect((await bench.sh(id, "cat /w/file; pgrep -fc '[s]leep 4740'")).stdout).toBe("two\n1\n");
      await bench.sh(other, "echo three > /w/file");
      expect((await bench.sh(id, "cat /w/file")).stdout).toBe("two\n");
    });

    test("files are as they were: owners, modes, times, links, holes, what was removed and what was replaced", async () => {
      const id = await sandbox(
        await bench.build([run("mkdir -p /d/sub; echo x > /d/sub/x; echo y > /d/y; echo z > /z")]),
      );
      const change = `rm -r /d/sub; mkdir /d/sub; echo new > /d/sub/new; rm /z; ln -s /d/y /link; echo hard > /h1; ln /h1 /h2
truncate -s 1G /sparse; chown sandbox /d/y; chmod 4751 /d/y; touch -d 2001-02-03T04:05:06 /d/y`;
      expect(await bench.sh(id, change, { user: "root" })).toMatchObject({ exitCode: 0 });
      const look = `cd /; ls -A d/sub; ls z; stat -c '%U %a %Y' d/y; readlink link; [ h1 -ef h2 ] && echo same
stat -c %s sparse; stat -c %a /d/sub`;
      const before = await bench.sh(id, look);
      const { checkpoint, sizeBytes } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      expect(sizeBytes).toBeLessThan(1024 ** 2);
      const after = await bench.sh(await sandbox(checkpoint), look);
      expect(after).toEqual(before);
      expect(after.stdout).toBe("new\nsandbox 4751 981173106\n/d/y\nsame\n1073741824\n755\n");
    });

    test("nothing is torn: what a process wrote together is there together, without its having synced it", async () => {
      const id = await sandbox();
      const writer = `import os
n = 0
while True:
    n += 1
    for name in "ab":
        with open(f"/tmp/{name}", "r+b" if n > 1 else "wb", buffering=0) as f: f.write(b"%012d" % n)
    open("/tmp/ready", "w")`;
      await bench.engine.exec(id, {
        argv: ["python3", "-c", writer],
        env: {},
        cwd: null,
        user: "sandbox",
        timeoutMs: 0,
      });
      await bench.sh(id, "until [ -e /tmp/ready ]; do sleep 0.05; done");
      const before = Number((await bench.sh(id, "cat /tmp/b")).stdout);
      const { checkpoint } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      const [a = 0, b = 0] = (await bench.sh(await sandbox(checkpoint), "cat /tmp/a; echo; cat /tmp/b")).stdout
        .split("\n")
        .map(Number);
      expect(b).toBeGreaterThanOrEqual(before);
      expect([0, 1]).toContain(a - b);
    });

    test("it outlives its sandbox, is kept by those who need it, and goes with the collection after that", async () => {
      const id = await sandbox();
      await bench.sh(id, "echo kept > /tmp/kept");
      const { checkpoint } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      await bench.engine.destroySandbox(id);
      await bench.engine.collect([checkpoint]);
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(true);
      const other = await sandbox(checkpoint);
      await bench.engine.collect([]);
      expect((await bench.sh(other, "cat /tmp/kept")).stdout).toBe("kept\n");
      await bench.engine.destroySandbox(other);
      await bench.engine.collect([]);
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(false);
    });

    test("one of one of one: each holds what came before", async () => {
      let id = await sandbox();
      for (const name of ["a", "b", "c"]) {
        await bench.sh(id, `echo ${name} > /tmp/${name}`);
        id = await sandbox((await bench.engine.checkpoint(id, "disk_only", bench.signal)).checkpoint);
      }
      expect((await bench.sh(id, "cat /tmp/a /tmp/b /tmp/c")).stdout).toBe("a\nb\nc\n");
    });

    test("restore puts a sandbox back in place: its files as they were, nothing running, the same id", async () => {
      const id = await sandbox();
      await bench.sh(id, "echo one > /tmp/file");
      const { checkpoint } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      await bench.sh(id, "echo two > /tmp/file; echo later > /tmp/later; sleep 4741 >/dev/null 2>&1 &");
      await bench.engine.restore({ ...(await specOf(id)), checkpoint }, bench.signal);
      expect((await bench.sh(id, "cat /tmp/file; ls /tmp/later; pgrep -fc '[s]leep 4741'")).stdout).toBe("one\n0\n");
      await bench.sh(id, "echo three > /tmp/file");
      await bench.engine.restore({ ...(await specOf(id)), checkpoint }, bench.signal);
      expect((await bench.sh(id, "cat /tmp/file")).stdout).toBe("one\n");
    });

    test("a restore to what is not there is refused, and the sandbox runs on as it was", async () => {
      const id = await sandbox();
      await bench.sh(id, "echo kept > /tmp/kept; sleep 4742 >/dev/null 2>&1 &");
      const checkpoint = { layers: ["0".repeat(64)], env: {}, workdir: null };
      const refusal = { code: "not_found" };
      await expect(bench.engine.assertStartable(checkpoint)).rejects.toMatchObject(refusal);
      const restore = bench.engine.restore({ ...(await specOf(id)), checkpoint }, bench.signal);
      await expect(restore).rejects.toMatchObject(refusal);
      expect((await bench.sh(id, "cat /tmp/kept; pgrep -fc '[s]leep 4742'")).stdout).toBe("kept\n1\n");
    });

    test("a restore that fails on the way leaves the sandbox stopped, with nothing of it", async () => {
      const id = await sandbox();
      const spec = await specOf(id);
      const start = { command: "exit 3", readyCommand: "false", readyTimeoutMs: 5_000 };
      const checkpoint = { ...spec.checkpoint, start };
      const booted: string[] = [];
      const restore = bench.engine.restore({ ...spec, checkpoint }, bench.signal, () => booted.push(id));
      await expect(restore).rejects.toMatchObject({ code: "build_failed" });
      expect(booted).toEqual([id]);
      expect(await bench.engine.sandboxStatus(id)).toBe("stopped");
      expect(under.holdings().filter((line) => line.includes(id))).toEqual([]);
    });

    test("one that was aborted leaves nothing, and the sandbox runs on", async () => {
      const id = await sandbox();
      await bench.sh(id, "head -c 50M /dev/urandom > /tmp/much");
      await expect(bench.engine.checkpoint(id, "disk_only", AbortSignal.abort())).rejects.toMatchObject({
        code: "aborted",
      });
      for (const delayMs of [0, 5, 20, 60]) {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), delayMs);
        // One that was faster has been taken.
        const outcome = await bench.engine.checkpoint(id, "disk_only", controller.signal).catch((error) => error);
        if (outcome instanceof Error) expect(outcome).toMatchObject({ code: "aborted" });
        expect(await bench.sh(id, "echo alive")).toMatchObject({ stdout: "alive\n" });
      }
      expect(await bench.engine.sandboxStatus(id)).toBe("running");
    });

    test("what is stopped has nothing to keep; what an engine cannot keep it says", async () => {
      const id = await sandbox();
      await bench.engine.destroySandbox(id);
      await expect(bench.engine.checkpoint(id, "disk_only", bench.signal)).rejects.toMatchObject({ code: "gone" });
      await expect(bench.engine.checkpoint("sb-never", "disk_only", bench.signal)).rejects.toMatchObject({
        code: "gone",
      });
      const { checkpointKinds } = bench.engine.describe();
      expect(checkpointKinds).toEqual(under.keepsMemory ? ["disk_only", "full"] : ["disk_only"]);
      if (under.keepsMemory) return;
      const other = await sandbox();
      await expect(bench.engine.checkpoint(other, "full", bench.signal)).rejects.toMatchObject({ code: "unsupported" });
    });

    test("every sandbox has a machine-id, of its own and always the same", async () => {
      const [one, two] = [await sandbox(), await sandbox()];
      const idOf = async (id: string) => (await bench.sh(id, "cat /etc/machine-id")).stdout;
      expect(await idOf(one)).toMatch(/^[0-9a-f]{32}\n$/);
      expect(await idOf(one)).not.toBe(await idOf(two));
      const before = await idOf(one);
      await bench.engine.restore(await specOf(one), bench.signal);
      expect(await idOf(one)).toBe(before);
    });
  });
}
