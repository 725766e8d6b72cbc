import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Bench, type EngineUnderTest, type Finished, run } from "./engine-under-test";

const QUOTA_MB = 64;
/** Long enough to be ended in. */
const THEN_WAIT = "import time\ntime.sleep(60)";

/** Ways to take more of a disk than is allowed, in Python. */
const HOGS = {
  "one large file": "open('/home/sandbox/f', 'wb').write(bytes(100 << 20))",
  "a file without a name": `import os
f = open('/home/sandbox/f', 'wb')
os.unlink('/home/sandbox/f')
f.write(bytes(100 << 20)); f.flush()`,
  "a file without a name and without a descriptor": `import mmap, os
f = open('/home/sandbox/f', 'w+b')
f.truncate(100 << 20)
m = mmap.mmap(f.fileno(), 100 << 20)
os.unlink('/home/sandbox/f'); f.close()
for at in range(0, 100 << 20, 4096): m[at] = 1
m.flush()`,
  "many empty files": `import os
for n in range(5000): open(f'/home/sandbox/{n}', 'w').close()`,
  "directories in directories": `import os
os.chdir('/home/sandbox')
for _ in range(5000):
  os.mkdir('d'); os.chdir('d')`,
} as const;

/** A sandbox and a build step write as much as they may, and no more. */
export function quotaLaws(under: EngineUnderTest): void {
  describe("disk quotas", () => {
    let bench: Bench;
    beforeAll(async () => {
      bench = new Bench({ ...under, create: () => under.create({ diskMB: QUOTA_MB }) });
      await bench.start();
    });
    afterAll(async () => bench.engine.stop());
    const python = (id: string, program: string): Promise<Finished> => bench.run(id, ["python3", "-c", program]);

    test("are told", () => {
      expect(bench.engine.describe().diskQuota).not.toBe("none");
    });

    test("who is over it is ended and told why, whatever it is over with; its neighbour is not", async () => {
      const neighbour = await bench.sandbox();
      const hogs = await Promise.all(
        Object.entries(HOGS).map(async ([what, program]) => {
          const id = await bench.sandbox();
          const finished = await python(id, `${program}\n${THEN_WAIT}`);
          return { what, id, finished };
        }),
      );
      for (const { what, id, finished } of hogs) {
        expect({ what, ...finished }).toMatchObject({ what, exitCode: -1, timedOut: false });
        expect(await bench.engine.sandboxStatus(id)).toBe("stopped");
        expect(await bench.engine.stopReason(id)).toMatch(/^was over its disk quota of 64 MB/);
        await expect(python(id, "")).rejects.toMatchObject({ code: "gone", message: expect.stringContaining("quota") });
        await bench.engine.destroySandbox(id);
        expect(await bench.engine.stopReason(id)).toBeNull();
      }
      expect(await bench.sh(neighbour, "echo fine")).toMatchObject({ exitCode: 0, stdout: "fine\n" });
      await bench.engine.destroySandbox(neighbour);
    });

    test("holes, what was deleted, what came with the image and what others hold are not counted", async () => {
      const checkpoint = await bench.build([run("head -c 50M /dev/urandom > /big")]);
      const [one, other, larger] = [
        await bench.sandbox(checkpoint),
        await bench.sandbox(checkpoint),
        await bench.sandbox(checkpoint, { diskMB: 256 }),
      ];
      const write = "truncate -s 10G ~/hole; for n in 1 2 3 4; do head -c 30M /dev/zero > ~/f; rm ~/f; done";
      await bench.sh(one, `${write}; head -c 30M /dev/zero > ~/f`);
      await bench.sh(larger, "head -c 100M /dev/zero > ~/f");
      const { checkpoint: taken } = await bench.engine.checkpoint(one, "disk_only", bench.signal);
      const fork = await bench.sandbox(taken);
      // Longer than from one look at everybody's files to the next.
      await Promise.all([fork, other].map((id) => bench.sh(id, "head -c 40M /dev/zero > ~/g; sleep 7")));
      for (const id of [one, other, larger, fork]) {
        expect(await bench.engine.sandboxStatus(id)).toBe("running");
        await bench.engine.destroySandbox(id);
      }
    });

    test("a step that is over it fails its build, which says so", async () => {
      const step = run("head -c 100M /dev/zero > /f; sleep 60");
      await expect(bench.build([run("true"), step])).rejects.toMatchObject({
        code: "build_failed",
        message: expect.stringMatching(/^step 2\/2 \(.*\): was over its disk quota of 64 MB: it held \d+ MB/),
        details: { step: 2, stepType: "run", exitCode: -1 },
      });
    });
  });
}
