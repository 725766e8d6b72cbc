import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isOpenComputerError } from "../../../src/errors";
import type { Step } from "../../../src/image/image-manifest";
import { Canary, escaped } from "../../fixtures/canary";
import { FileCalls, leadsTo, SWAPPED, SWAPPER } from "../../fixtures/link-swaps";
import { type EngineUnderTest, env, run, useBench, workdir } from "./engine-under-test";

/** Links that images and programs make lead nowhere outside, whoever goes through them, and however fast they change. */
export function linkLaws(under: EngineUnderTest): void {
  describe("links", () => {
    const { bench, id } = useBench(under);
    let home: string;
    let canary: Canary;
    beforeAll(() => {
      home = mkdtempSync(join(tmpdir(), "oc-links-"));
      canary = new Canary(join(home, "canary"));
    });
    afterEach(() => expect([...canary.changes(), ...escaped()]).toEqual([]));
    afterAll(() => rmSync(home, { recursive: true, force: true }));

    const root = (script: string) => bench().sh(id(), script, { user: "root" });

    describe("in an image, where a later step works", () => {
      const PLACES = "/workspace /var/cache/apt /var/lib/apt /var/lib/dpkg/updates /root/.cache /opt /srv/deep".split(
        " ",
      );
      /** Each to one of the targets, one after the other. */
      const replace = (...targets: string[]) =>
        [...PLACES, "/etc/environment"]
          .map((place, index) => `rm -rf ${place}; ln -sfn '${targets[index % targets.length]}' ${place}`)
          .join("; ");
      const file = (path: string): Step => ({
        type: "add_file",
        args: { path, digest: bench().blob("from a step"), executable: false },
      });
      const steps = (): readonly Step[] => [
        file("/workspace/oc-slip"),
        file("/opt/sub/oc-slip"),
        { type: "add_dir", args: { path: "/srv/deep", entries: [{ kind: "dir", path: "sub/oc-slip" }] } },
        workdir("/workspace/oc-slip-dir"),
        env({ OC_SLIP: "1" }),
        run("echo x > /workspace/oc-slip; rm -rf /opt/file"),
        { type: "apt_install", args: { packages: ["oc-hello=1.0"] } },
        { type: "pip_install", args: { packages: ["oc-greet==1.0"] } },
      ];

      test("to a directory of the host", async () => {
        const image = run(replace(...leadsTo(canary.dir).slice(0, 4)));
        const ended = await Promise.allSettled(steps().map((step) => bench().build([image, step])));
        for (const one of ended) {
          if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "build_failed" });
        }
      });

      test("a place that has the same path inside is used inside", async () => {
        const first = run(`mkdir -p ${canary.dir}/sub; ${replace(canary.dir)}`);
        const sandbox = await bench().sandbox(
          await bench().build([first, file("/workspace/oc-slip"), file("/opt/sub/x")]),
        );
        expect(await bench().read(sandbox, `${canary.dir}/oc-slip`)).toBe("from a step");
        expect(await bench().read(sandbox, "/workspace/sub/x")).toBe("from a step");
        await bench().engine.destroySandbox(sandbox);
      });
    });

    test("that are swapped with what is read, written, listed, made and removed", async () => {
      const swapping = bench().run(id(), ["python3", "-c", SWAPPER, "4", ...leadsTo(canary.dir)], { user: "root" });
      const calls = new FileCalls(bench().engine, id(), canary);
      let isOver = false;
      const over = swapping.finally(() => {
        isOver = true;
      });
      while (!isOver) await calls.round(bench().signal);
      expect(await over).toMatchObject({ exitCode: 0 });
      expect(calls.wrong).toEqual([]);
      expect(calls.done).toBeGreaterThan(0);
      expect(Number(await bench().read(id(), SWAPPED.count))).toBeGreaterThan(100);
    });

    describe("and what is no file", () => {
      beforeAll(async () => {
        const make = [
          "mkdir -p /odd && cd /odd && mkfifo pipe && ln -s loop loop && ln -s pipe to-pipe && truncate -s 10G hole",
          `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/odd/socket")'`,
        ].join("; ");
        expect(await root(make)).toMatchObject({ exitCode: 0 });
      });

      test.each([
        ...["pipe", "to-pipe", "socket"].flatMap((name) => [`read /odd/${name}`, `write /odd/${name}`]),
        ...["read /odd/loop", "write /odd/loop", "list /odd/loop", "list /odd/pipe", "make /odd/loop/x"],
        ...["read /dev/zero", "write /dev/full", "read /dev/pts/ptmx", "write /proc/self/mem", "write /proc/new"],
        ...["write /sys/kernel/x", "make /proc/x", "read /proc/self/fd/0"],
      ])("%s is refused in words", async (what) => {
        const [verb = "", path = ""] = what.split(" ");
        const { engine, signal } = bench();
        const call = {
          read: () => engine.readFile(id(), path, signal),
          write: () => bench().write(id(), path, "x"),
          list: () => engine.listFiles(id(), path, signal),
          make: () => engine.makeDir(id(), path, signal),
        }[verb];
        const error = await call?.().catch((thrown: unknown) => thrown);
        expect(isOpenComputerError(error, "invalid_input") || isOpenComputerError(error, "not_found")).toBe(true);
        expect((error as Error).message).toContain(path);
      });

      test("a file of 10 GB that is one hole is read as far as anybody wants", async () => {
        const stream = await bench().engine.readFile(id(), "/odd/hole", bench().signal);
        for await (const _ of stream) break;
        expect(stream.destroyed).toBe(true);
      });

      test("a file that grows while it is read is read to where it ends", async () => {
        const growing = root("timeout 2 sh -c 'while :; do head -c 65536 /dev/zero >> /odd/growing; sleep 0.02; done'");
        await root("until [ -s /odd/growing ]; do sleep 0.02; done");
        expect((await bench().read(id(), "/odd/growing")).length).toBeGreaterThan(0);
        await growing;
      });
    });

    test("directories deeper than a path can name are built, and gone with what holds them", async () => {
      const nest = 'import os\\nfor n in range(300): os.mkdir("d" * 200); os.chdir("d" * 200)';
      const deep = `mkdir -p /deep && cd /deep && printf '${nest}' | python3 -`;
      const checkpoint = await bench().build([run(deep)]);
      const sandbox = await bench().sandbox(checkpoint);
      expect(await bench().sh(sandbox, deep.replaceAll("/deep", "/deeper"), { user: "root" })).toMatchObject({
        exitCode: 0,
      });
      await bench().engine.destroySandbox(sandbox);
      expect((await bench().engine.collect([])).layers).toBeGreaterThan(0);
      expect(await bench().engine.hasCheckpoint(checkpoint)).toBe(false);
    });
  });
}
