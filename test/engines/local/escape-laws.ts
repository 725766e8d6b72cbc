import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findBinaries, searchDirs } from "../../../src/engines/local/binaries";
import { UID_SHIFT } from "../../../src/engines/local/oci-spec";
import { OpenComputerError } from "../../../src/errors";
import { digestOf } from "../../../src/image/hash";
import { cacheHome } from "../../../src/paths";
import type { Canary } from "../../fixtures/canary";
import { breaches, HOSTILE_CALLS, hostileProgram } from "../../fixtures/hostile-calls";
import {
  HOSTILE_PLACES,
  HOSTILE_WORKDIRS,
  MAKE_LINKS,
  OVERWRITE,
  openCanary,
  reachFor,
} from "../../fixtures/hostile-images";
import { Bench, type Finished, run, workdir } from "../suite/engine-under-test";
import { type LocalUnderTest, toEngineUnderTest } from "./local-under-test";

/** Whatever runs inside, as root or not, in a sandbox or a step, stays there. */
export function escapeLaws(local: LocalUnderTest): void {
  describe("what wants out", () => {
    let bench: Bench;
    let id: string;
    let canary: Canary;
    beforeAll(async () => {
      canary = openCanary(`/tmp/oc-canary-${process.pid}-${local.runtime}`);
      bench = new Bench(toEngineUnderTest(local));
      await bench.start();
      id = await bench.sandbox();
      await bench.sh(id, MAKE_LINKS, { user: "root" });
    });
    afterAll(async () => {
      await bench.engine.destroySandbox(id);
      await bench.engine.stop();
      expect(canary.changes()).toEqual([]);
      canary.dispose();
    });

    const hasOwnKernel = local.runtime === "runsc";

    test(`root asks the kernel for ${HOSTILE_CALLS.length} things in a sandbox, and gets none`, async () => {
      const { stdout } = await bench.run(id, ["python3", "-c", hostileProgram()], { user: "root" });
      expect(breaches(stdout, hasOwnKernel)).toEqual([]);
    });

    test("nor in a build step", async () => {
      const file = { path: "/hostile.py", digest: bench.blob(hostileProgram()), executable: false };
      const steps = [{ type: "add_file" as const, args: file }, run("python3 /hostile.py > /outcomes")];
      const other = await bench.sandbox(await bench.build(steps));
      expect(breaches(await bench.read(other, "/outcomes"), hasOwnKernel)).toEqual([]);
      await bench.engine.destroySandbox(other);
    });

    test("other users of the host do not come to what images hold, and devices of images are none", () => {
      const merged = join(local.run, "merged");
      for (const dir of [local.run, merged]) {
        const { uid, gid, mode } = statSync(dir);
        expect([dir, uid, gid, mode & 0o777]).toEqual([dir, 0, UID_SHIFT, 0o710]);
      }
      const mount = readFileSync("/proc/mounts", "utf8")
        .split("\n")
        .find((line) => line.includes(join(merged, id)));
      expect(mount?.split(" ")[3]?.split(",")).toContain("nodev");
    });

    test("no working directory leads out: those of commands", async () => {
      for (const cwd of HOSTILE_WORKDIRS) {
        for (const user of ["root", "sandbox"] as const) {
          const said = await bench
            .sh(id, reachFor(join(canary.dir, "file")), { cwd, user })
            .catch((error: unknown) => error);
          if (said instanceof OpenComputerError) expect([cwd, said.code]).toEqual([cwd, "invalid_input"]);
          else
            expect([cwd, said]).not.toEqual([
              cwd,
              expect.objectContaining({ stdout: expect.stringContaining(canary.secret) }),
            ]);
        }
      }
      expect(await bench.sh(id, "echo alive")).toMatchObject({ stdout: "alive\n" });
    });

    test.each(["/proc/self/fd/7", "/links/chain"])(
      "no working directory leads out: that of an image, %s",
      async (path) => {
        const steps = [run(MAKE_LINKS), workdir(path), run(`{ ${reachFor(join(canary.dir, "file"))}; } > /said`)];
        const image = await bench.build(steps).catch((error: unknown) => error);
        if (image instanceof OpenComputerError) return expect(image.code).toMatch(/^(build_failed|invalid_input)$/);
        const other = await bench.sandbox(image as Awaited<ReturnType<Bench["build"]>>);
        expect(await bench.read(other, "/said")).not.toContain(canary.secret);
        await bench.engine.destroySandbox(other);
      },
    );

    test.each(HOSTILE_PLACES)("$name: what comes after stays inside, or fails clearly", async ({ replace }) => {
      const steps = [run(`{ ${replace(canary.dir)}; } 2>/dev/null; true`), run("echo more > /more")];
      const image = await bench.build(steps).catch((error: unknown) => error);
      if (image instanceof Error) {
        expect(image).toMatchObject({ code: expect.stringMatching(/^(build_failed|internal)$/) });
      } else {
        const made = await bench.sandbox(image as Awaited<ReturnType<Bench["build"]>>).catch((error: unknown) => error);
        if (made instanceof Error) expect(made).toBeInstanceOf(OpenComputerError);
        else await useHostile(made as string);
      }
      expect(canary.changes()).toEqual([]);
    });

    const useHostile = async (hostile: string) => {
      for (const user of ["root", "sandbox"] as const) {
        const said = await bench
          .run(hostile, ["/usr/bin/cat", join(canary.dir, "file")], { user })
          .catch((error: unknown) => error);
        if (said instanceof Error) expect(said).toMatchObject({ code: "invalid_input" });
        else expect((said as Finished).stdout).not.toContain(canary.secret);
      }
      await bench.engine.destroySandbox(hostile);
    };

    test("programs of the host that come inside are not overwritten from there", async () => {
      const dirs = searchDirs(process.env["PATH"], cacheHome({ env: process.env, uid: 0, homeDir: homedir() }));
      const { runtime, agent, hand } = await findBinaries({ runtime: local.runtime }, dirs);
      const digests = () => [runtime.path, agent, hand, process.execPath].map((path) => digestOf(readFileSync(path)));
      const before = digests();
      await bench.write(id, "/tmp/overwrite.py", OVERWRITE);
      await bench.sh(id, "python3 /tmp/overwrite.py >/dev/null 2>&1 &", { user: "root" });
      for (let round = 0; round < 2; round++) {
        // With the connection goes the agent that it led to: on runc the runtime's exec comes inside again.
        await bench.engine.stop();
        await bench.start([id]);
        await Promise.all(Array.from({ length: 8 }, () => bench.sh(id, "cat /proc/self/exe > /dev/null; sleep 0.1")));
      }
      await bench.sh(id, "touch /tmp/stop; sleep 0.5");
      expect(Number(await bench.read(id, "/tmp/tries"))).toBeGreaterThan(1_000);
      expect(digests()).toEqual(before);
    });

    test("one that stops what runs its commands hangs nobody: commands fail in time, others run, it can be removed", async () => {
      const stopped = await bench.sandbox();
      const started = Date.now();
      const last = bench.sh(stopped, "kill -STOP 1; sleep 30", { user: "root", timeoutMs: 500 });
      expect(await last).toMatchObject({ exitCode: -1, timedOut: true });
      expect(Date.now() - started).toBeLessThan(10_000);
      const next = bench.sh(stopped, "echo alive").catch((error: unknown) => error);
      expect(await bench.sh(id, "echo alive")).toMatchObject({ stdout: "alive\n" });
      await sleep(500);
      await bench.engine.destroySandbox(stopped);
      const answer = await next;
      if (answer instanceof Error) expect(answer).toMatchObject({ code: "gone" });
      else expect(answer).toMatchObject({ stdout: "alive\n" });
      expect(await bench.engine.sandboxStatus(stopped)).toBe("stopped");
    });
  });
}
