import { describe, expect, test } from "vitest";
import type { BuildEvent } from "../../../src/engines/engine";
import type { Step, StepArgs } from "../../../src/image/image-manifest";
import { type EngineUnderTest, env, run, useSandboxes, workdir } from "./engine-under-test";

const start = (args: StepArgs<"start_command">): Step => ({ type: "start_command", args });

const READY = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8124))'";
const SERVER = "echo started as $(id -un) in $PWD with $COLOUR; echo x >> starts; exec python3 -m http.server 8124";

/** A service that an image names runs in each of its sandboxes from the first moment on. */
export function startCommandLaws(under: EngineUnderTest): void {
  describe("start commands", () => {
    const { bench, sandbox } = useSandboxes(under);
    const steps = [
      run("mkdir /srv/app; chown sandbox /srv/app"),
      workdir("/srv/app"),
      env({ COLOUR: "blue" }),
      start({ command: SERVER, readyCommand: READY }),
    ];

    test("it answers as soon as the sandbox is there: as user sandbox, with env and workdir of the image", async () => {
      const log: BuildEvent[] = [];
      const checkpoint = await bench.build(steps, { log });
      expect(log.map(({ message }) => message)).toContain("started as sandbox in /srv/app with blue");
      for (const _ of [1, 2]) {
        const id = await sandbox(checkpoint);
        expect(await bench.sh(id, READY)).toMatchObject({ exitCode: 0 });
        expect((await bench.sh(id, "cat /srv/app/starts; hostname")).stdout).toBe(`x\n${id}\n`);
      }
    });

    test("an image is started once for all its builds; a build over it is another image", async () => {
      const first: BuildEvent[] = [];
      const checkpoint = await bench.build([...steps, env({ SIZE: "big" })], { log: first });
      const again: BuildEvent[] = [];
      expect(await bench.build([...steps, env({ SIZE: "big" })], { log: again })).toEqual(checkpoint);
      const starts = (log: BuildEvent[]) => log.filter(({ message }) => message.startsWith("starting the image"));
      expect([starts(first).length, starts(again).length]).toEqual([1, 0]);
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(true);
    });

    test("what starts from a checkpoint of files boots, and starts it again", async () => {
      const id = await sandbox(await bench.build(steps));
      await bench.sh(id, "echo kept > /tmp/kept");
      const { checkpoint } = await bench.engine.checkpoint(id, "disk_only", bench.signal);
      const other = await sandbox(checkpoint);
      expect((await bench.sh(other, `cat /tmp/kept /srv/app/starts; ${READY} && echo ready`)).stdout).toBe(
        "kept\nx\nx\nready\n",
      );
    });

    test("it is there after sleep and after a restore", async () => {
      const checkpoint = await bench.build(steps);
      const id = await sandbox(checkpoint);
      const spec = { id, checkpoint, memoryMB: 512, cpuCount: 1 };
      await bench.engine.hibernate(id, bench.signal);
      await bench.engine.wake(spec, bench.signal);
      expect(await bench.sh(id, READY)).toMatchObject({ exitCode: 0 });
      await bench.engine.restore(spec, bench.signal);
      expect(await bench.sh(id, READY)).toMatchObject({ exitCode: 0 });
    });

    test.each([
      ["that ends at once", { command: "echo no such luck; exit 3", readyCommand: "false" }, /ended with code 3/, 3],
      [
        "that is never ready",
        { command: "echo waiting; sleep 100", readyCommand: "false", readyTimeoutSeconds: 1 },
        /not ready within 1 s/,
        -1,
      ],
    ])("one %s fails the build, with its last lines, each time", async (_, args, message, exitCode) => {
      for (const _ of [1, 2]) {
        const build = bench.build([start(args)]);
        await expect(build).rejects.toThrow(message);
        await expect(build).rejects.toMatchObject({
          code: "build_failed",
          details: { step: 1, stepType: "start_command", exitCode, lastLines: [expect.stringMatching(/luck|waiting/)] },
        });
      }
    });

    test("one that goes into the background by itself is ready when it says so", async () => {
      const command = "(sleep 0.3; touch /tmp/ready; exec sleep 4770) >/dev/null 2>&1 &";
      const id = await sandbox(await bench.build([start({ command, readyCommand: "test -e /tmp/ready" })]));
      expect((await bench.sh(id, "pgrep -fc '[s]leep 4770'")).stdout).toBe("1\n");
    });

    test("a build that is cancelled while it starts leaves nothing", async () => {
      const controller = new AbortController();
      const args = { command: "sleep 100", readyCommand: "false" };
      const build = bench.build([start(args)], { signal: controller.signal });
      setTimeout(() => controller.abort(), 1_000);
      await expect(build).rejects.toMatchObject({ code: "build_cancelled" });
      expect(under.holdings().filter((line) => line.includes("/b-"))).toEqual([]);
    });
  });
}
