import { watch } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { HOGS } from "../../fixtures/hogs";
import { Bench, type EngineUnderTest } from "./engine-under-test";

const GREEDY = ["open files", "inotify", "terminals", "shared memory", "zombies"] as const;
const USERS = ["root", "sandbox"] as const;
/** What a neighbour wants of the kernel: a file, a watch, a terminal, a process, shared memory. */
const WANTS = `import ctypes, os
keep = [os.open('/dev/null', os.O_RDONLY) for _ in range(1000)]
fd = ctypes.CDLL(None, use_errno=True).inotify_init()
assert fd >= 0, os.strerror(ctypes.get_errno())
assert ctypes.CDLL(None).inotify_add_watch(fd, b'/tmp', 2) >= 0
os.openpty()
if os.fork() == 0: os._exit(0)
os.wait()
open('/dev/shm/mine', 'wb').write(bytes(32 << 20))
print('fine')`;

/** Who takes all there is of something takes it from nobody else, as root inside and as anybody; then it can be removed. */
export function hogLaws(under: EngineUnderTest): void {
  describe("hogs", () => {
    let bench: Bench;
    let neighbour: string;
    let made: string[] = [];
    beforeAll(async () => {
      bench = new Bench(under);
      await bench.start();
      neighbour = await bench.sandbox();
    });
    afterEach(async () => {
      for (const id of made.splice(0)) await bench.engine.destroySandbox(id);
    });
    afterAll(async () => {
      await bench.engine.destroySandbox(neighbour);
      await bench.engine.stop();
    });
    const hogBox = async (memoryMB = 512) => {
      const id = await bench.sandbox(undefined, { memoryMB });
      made = [...made, id];
      return id;
    };
    /** Where a limit ends the sandbox as a whole, that is told. */
    const expectUsedOrGone = async (id: string) => {
      const sayFine = () => bench.sh(id, "echo fine");
      if (under.limitsEnd === "sandbox" && (await bench.engine.sandboxStatus(id)) === "stopped") {
        await expect(sayFine()).rejects.toMatchObject({ code: "gone" });
      } else expect(await sayFine()).toMatchObject({ exitCode: 0, stdout: "fine\n" });
    };
    const expectFine = async () => {
      expect(await bench.run(neighbour, ["python3", "-c", WANTS])).toMatchObject({ exitCode: 0, stdout: "fine\n" });
      // What the host's own services want.
      watch(tmpdir()).close();
    };

    test("open files, watches, terminals, shared memory and processes: all of each at once", async () => {
      const hogs = await Promise.all(
        GREEDY.map(async (hog) => {
          const id = await hogBox();
          const argv = ["python3", "-c", HOGS[hog]] as const;
          return { hog, id, runs: USERS.map((user) => bench.run(id, argv, { user, timeoutMs: 4_000 })) };
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await expectFine();
      for (const { hog, id, runs } of hogs) {
        for (const { exitCode } of await Promise.all(runs))
          expect({ hog, wasEnded: [-1, 137].includes(exitCode) }).toEqual({ hog, wasEnded: true });
        await expectUsedOrGone(id);
      }
      await expectFine();
    });

    test("pages that a file leaves in memory are given up before anybody is killed", async () => {
      const id = await hogBox(256);
      const script = "head -c 300M /dev/zero > ~/f; cat ~/f > /dev/null; echo fine";
      expect(await bench.sh(id, script)).toMatchObject({ exitCode: 0, stdout: "fine\n" });
    });

    test.each(["kill -9 1", "kill -9 -1"])(
      "root inside says %s: it can be used or is gone, and others are as before",
      async (command) => {
        const id = await hogBox();
        await bench.sh(id, `sleep 600 & ${command}`, { user: "root" });
        await expectUsedOrGone(id);
        await expectFine();
      },
    );
  });
}
