import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildEvent } from "../../../src/engines/engine";
import type { RegistryFixture } from "../../fixtures/registry";
import { Bench, run } from "../suite/engine-under-test";
import { type LocalUnderTest, readOrEmpty, toEngineUnderTest } from "./local-under-test";

/** What only the host can see of this engine. */
export function hostLaws(local: LocalUnderTest, registry: () => RegistryFixture): void {
  describe("on the host", () => {
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

    test("root inside is nobody outside", () => {
      const pids = readFileSync(`/sys/fs/cgroup/pids/opencomputer/${id}/cgroup.procs`, "utf8").trim().split("\n");
      expect(pids.length).toBeGreaterThan(0);
      for (const pid of pids) {
        const [real, effective] =
          /^Uid:\t(\d+)\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.slice(1) ?? [];
        for (const uid of [real, effective]) {
          expect(Number(uid)).toBeGreaterThanOrEqual(100_000);
          expect(Number(uid)).toBeLessThan(165_536);
        }
      }
    });

    test("a step that writes nothing is an empty layer: nothing of the host is in it", async () => {
      const { layers } = await bench.build([run("true")]);
      expect(readdirSync(join(local.home, "layers", layers[1]?.slice(0, 16) ?? "", "fs"), { recursive: true })).toEqual(
        [],
      );
    });

    test("the host is reached at its address; other sandboxes are not reached at all", async () => {
      const get = (url: string) => `import urllib.request as u; print(u.urlopen("${url}", timeout=3).status)`;
      const fromHere = await bench.run(id, ["python3", "-c", get(`${registry().url}/apt/Packages`)]);
      expect(fromHere).toMatchObject({ exitCode: 0, stdout: "200\n" });
      const other = await bench.sandbox();
      await bench.sh(other, "python3 -m http.server 8000 >/dev/null 2>&1 &");
      await bench.sh(other, "sleep 1");
      const address = (await bench.sh(other, "tail -1 /etc/hosts | cut -f1")).stdout.trim();
      expect(await bench.run(other, ["python3", "-c", get(`http://${address}:8000/`)])).toMatchObject({ exitCode: 0 });
      expect(await bench.run(id, ["python3", "-c", get(`http://${address}:8000/`)])).toMatchObject({ exitCode: 1 });
      await bench.engine.destroySandbox(other);
    });

    test("a build step knows the passwords of mirrors, a sandbox does not", async () => {
      await bench.build([run("case $GOPROXY in *hunter2*) ;; *) exit 1; esac")]);
      for (const user of ["sandbox", "root"] as const) {
        const seen = await bench.sh(id, "env; cat /proc/1/environ; grep -rs hunter2 /.oc /etc/apt", { user });
        expect(seen.stdout).toContain("PATH=");
        expect(seen.stdout).not.toContain("hunter2");
      }
    });

    test("sandboxes take no keys of the 200 that the kernel gives the user that all of them are", async () => {
      const keys = () => Number(/^ *100000: +(\d+)/m.exec(readFileSync("/proc/key-users", "utf8"))?.[1] ?? 0);
      const before = keys();
      const more = [await bench.sandbox(), await bench.sandbox()];
      expect(keys()).toBeLessThanOrEqual(before);
      for (const other of more) await bench.engine.destroySandbox(other);
    });

    test("limits stand in the control groups", () => {
      const read = (controller: string, file: string) =>
        readFileSync(`/sys/fs/cgroup/${controller}/opencomputer/${id}/${file}`, "utf8").trim();
      expect(read("memory", "memory.limit_in_bytes")).toBe(String(512 * 1024 * 1024));
      expect(read("cpu", "cpu.cfs_quota_us")).toBe("100000");
      expect(read("pids", "pids.max")).toBe(local.runtime === "runsc" ? "1152" : "512");
    });

    test("layers are the same for the other runtime; it replaces sandboxes that it cannot serve", async () => {
      const step = run("echo common > /home/sandbox/common; chown sandbox /home/sandbox/common");
      await bench.build([step]);
      const stranded = await bench.sandbox();
      await bench.engine.stop();
      const other = new Bench({ ...toEngineUnderTest(local), create: () => local.create(local.otherRuntime()) });
      await other.start([stranded]);
      expect(await other.engine.sandboxStatus(stranded)).toBe("stopped");
      const log: BuildEvent[] = [];
      const there = await other.sandbox(await other.build([step], { log }));
      expect(log.map(({ type }) => type)).toEqual(["cache_hit"]);
      const read = await other.sh(there, "stat -c %U common; echo more >> common; cat common");
      expect(read.stdout).toBe("sandbox\ncommon\nmore\n");
      await other.engine.destroySandbox(there);
      await other.engine.stop();
      await bench.start([]);
      id = await bench.sandbox();
    });

    test("a deep image is flattened behind its first sandbox; what stands for its layers stays as long as they do", async () => {
      // Steps of no commands start no container, which would have the stack flattened already.
      const empty = Array.from({ length: 70 }, () => run());
      const checkpoint = await bench.build([run("echo deep > /deep"), ...empty]);
      const mounted = (sandbox: string) => {
        const line = readFileSync("/proc/mounts", "utf8")
          .split("\n")
          .find((mount) => mount.includes(`/merged/${sandbox} `));
        return line?.match(/lowerdir\+|(?<=lowerdir=\S*):/g)?.length;
      };
      const stored = () => readdirSync(join(local.home, "layers")).length;
      const before = stored();
      const first = await bench.sandbox(checkpoint);
      expect(mounted(first)).toBe(72);
      for (let tries = 0; tries < 100 && stored() < before + 2; tries++)
        await new Promise((done) => setTimeout(done, 50));
      const second = await bench.sandbox(checkpoint);
      expect(mounted(second)).toBe(10);
      expect(await bench.sh(second, "cat /deep")).toMatchObject({ stdout: "deep\n" });
      await bench.engine.destroySandbox(first);
      await bench.engine.collect([checkpoint]);
      expect(stored()).toBe(72 + 2);
      await bench.engine.collect([]);
      expect(await bench.sh(second, "cat /deep")).toMatchObject({ stdout: "deep\n" });
      await bench.engine.destroySandbox(second);
      await bench.engine.collect([]);
      expect(stored()).toBe(1);
    });

    test("a hand that was killed is replaced; what ran runs on", async () => {
      const isHand = (pid: string) => {
        const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(readOrEmpty(`/proc/${pid}/stat`)) ?? [];
        return name === "opencomputer-ha" && parent === String(process.pid);
      };
      const hands = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isHand(name));
      expect(hands).toHaveLength(1);
      for (const hand of hands) process.kill(Number(hand), "SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 100));
      const other = await bench.sandbox();
      for (const one of [id, other]) expect(await bench.sh(one, "echo alive")).toMatchObject({ stdout: "alive\n" });
      await bench.engine.destroySandbox(other);
    });

    test("a start that fails leaves nothing, and says why", async () => {
      // The running engine beside it may just be making its next network.
      const lasting = () => local.holdings().filter((line) => !/^(slot|link) /.test(line));
      const before = lasting();
      const broken = local.create(local.runtime, "dir:/no/such/base");
      const start = broken.start({ knownSandboxes: [id], onProgress: () => undefined, signal: bench.signal });
      await expect(start).rejects.toThrow("/no/such/base");
      expect(lasting()).toEqual(before);
      expect(await bench.engine.sandboxStatus(id)).toBe("running");
    });

    test("garbage in active/ and stray directories are gone after a start", async () => {
      mkdirSync(join(local.home, "active", "b-garbage", "fs", "deep"), { recursive: true });
      writeFileSync(
        join(local.home, "active", "b-garbage", "container.json"),
        '{"slot":16000,"claim":"nobody","layers":[],"runtime":"runc"}',
      );
      mkdirSync(join(local.run, "merged", "b-stray"));
      await bench.engine.stop();
      await bench.start([id]);
      expect(readdirSync(join(local.home, "active"))).toEqual([]);
      expect(readdirSync(join(local.run, "merged"))).toEqual([id]);
    });

    test.each(["", '{"slot":'])(
      "records that a power cut tore (%j) stop no start: the sandbox goes, with all it held",
      async (torn) => {
        const lost = await bench.sandbox();
        await bench.engine.stop();
        for (const record of ["base.json", `sandboxes/${lost}/container.json`])
          writeFileSync(join(local.home, record), torn);
        await bench.start([id, lost]);
        expect(await bench.engine.sandboxStatus(lost)).toBe("stopped");
        expect(readdirSync(join(local.home, "sandboxes"))).toEqual([id]);
        expect(local.holdings().filter((line) => line.includes(lost))).toEqual([]);
        expect(await bench.sh(id, "echo alive")).toMatchObject({ stdout: "alive\n" });
        // One network is the other sandbox's, one slot the engine's own; the rest is ready for the next ones.
        expect(local.holdings().filter((line) => line.startsWith("slot ")).length).toBeLessThanOrEqual(4);
      },
    );

    test("a server that was killed in the middle of a build leaves nothing that the next start does not remove, and confined what was confined", async () => {
      const confine = () => bench.sandbox(undefined, { network: { allow: ["first.test"] } });
      const [kept, lost] = [await confine(), await confine()];
      const rules = () => local.holdings().filter((line) => line.startsWith("rules "));
      await bench.engine.stop();
      const child = join(__dirname, "killed-build.ts");
      const program = join(__dirname, "../../../node_modules/.bin/vite-node");
      const argv = [child, local.home, local.runtime, id, kept, lost];
      const server = spawn(program, argv, { stdio: ["ignore", "pipe", "inherit"], detached: true });
      await new Promise<void>((resolve, reject) => {
        server.once("exit", () => reject(new Error("the build ended early")));
        server.stdout.on("data", (chunk: Buffer) => chunk.toString().includes("42 and on") && resolve());
      });
      process.kill(-(server.pid ?? 0), "SIGKILL");
      expect(readdirSync(join(local.home, "active"))).toHaveLength(1);
      expect(rules()).toHaveLength(2);
      await bench.start([id, kept]);
      expect(rules()).toHaveLength(1);
      const names = await bench.sh(
        kept,
        "getent ahostsv4 first.test | head -1 | cut -d' ' -f1; getent hosts second.test",
      );
      expect(names).toMatchObject({ exitCode: 2, stdout: `${local.outside().addresses[0]}\n` });
      await bench.engine.destroySandbox(kept);
      expect(rules()).toEqual([]);
      expect(readdirSync(join(local.home, "active"))).toEqual([]);
      expect(local.holdings().filter((line) => line.includes("/b-"))).toEqual([]);
      expect(await bench.sh(id, "echo alive")).toMatchObject({ stdout: "alive\n" });
    });
  });
}
