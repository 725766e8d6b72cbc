import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EngineUnderTest, textOf, useBench } from "./engine-under-test";

/** A command gets exactly what it was given, and its end is always known. */
export function execLaws(under: EngineUnderTest): void {
  describe("exec", () => {
    const { bench, id } = useBench(under);

    test("stdout, stderr and exit code are told apart", async () => {
      const done = await bench().sh(id(), "echo out; echo err >&2; exit 7");
      expect(done).toEqual({ exitCode: 7, timedOut: false, stdout: "out\n", stderr: "err\n" });
    });

    test("arguments arrive as they are", async () => {
      const argv = ["printf", "[%s]", "", "a b", "it's", '"$HOME"', "-n", "two\nlines", "ü"] as const;
      expect((await bench().run(id(), argv)).stdout).toBe(`[][a b][it's]["$HOME"][-n][two\nlines][ü]`);
    });

    test.each([
      ["a program that is not there", ["no-such-program"], 127],
      ["a shell builtin is no program", ["exit", "3"], 127],
      ["a file that is no program", ["/etc/passwd"], 126],
      ["a command that a signal of its own ended", ["sh", "-c", "kill -9 $$"], 137],
    ] as const)("%s", async (_, argv, exitCode) => {
      expect(await bench().run(id(), argv)).toMatchObject({ exitCode });
    });

    test("the environment is what was given, quotes and line ends included, and a few defaults", async () => {
      const env = { NASTY: `a "b" 'c' $d\n\\e`, EMPTY: "", PATH: "/usr/bin:/bin" };
      const { stdout } = await bench().run(id(), ["env", "-0"], { env });
      const got = Object.fromEntries(
        stdout
          .split("\0")
          .filter(Boolean)
          .map((line) => line.split(/=(.*)/s).slice(0, 2)),
      );
      expect(got).toMatchObject({ ...env, HOME: "/home/sandbox", USER: "sandbox", LANG: "C.UTF-8" });
      expect(got).not.toHaveProperty("OLDPWD");
    });

    test("cwd holds; null is the user's home", async () => {
      expect((await bench().run(id(), ["pwd"], { cwd: "/usr/lib" })).stdout).toBe("/usr/lib\n");
      expect((await bench().run(id(), ["pwd"])).stdout).toBe("/home/sandbox\n");
      expect((await bench().run(id(), ["pwd"], { user: "root" })).stdout).toBe("/root\n");
    });

    test.each(["/no/such/place", "/etc/passwd", "/proc/self/cwd", "/proc/1", "/sys/kernel", "/root"])(
      "cwd %s is refused by name",
      async (cwd) => {
        await expect(bench().run(id(), ["true"], { cwd })).rejects.toMatchObject({
          code: "invalid_input",
          message: expect.stringContaining(JSON.stringify(cwd)),
        });
      },
    );

    test("users: sandbox with sudo, and root, who is nobody special", async () => {
      expect((await bench().sh(id(), "id -un; sudo id -un")).stdout).toBe("sandbox\nroot\n");
      expect((await bench().sh(id(), "sudo true")).stderr).toBe("");
      for (const reach of [
        "mount -t tmpfs x /mnt",
        "echo b > /proc/sysrq-trigger",
        "mknod /tmp/disk b 8 0 && head -c1 /tmp/disk",
      ]) {
        expect(await bench().sh(id(), reach, { user: "root" })).not.toMatchObject({ exitCode: 0 });
      }
    });

    test("stdin is piped in and closed; without one it is empty", async () => {
      const stdin = Readable.from([Buffer.from("hello "), Buffer.from("there")]);
      expect((await bench().run(id(), ["cat"], { stdin })).stdout).toBe("hello there");
      expect((await bench().run(id(), ["cat"])).stdout).toBe("");
      const unread = Readable.from([Buffer.alloc(5_000_000)]);
      expect(await bench().run(id(), ["true"], { stdin: unread })).toMatchObject({ exitCode: 0 });
    });

    test("stdout and stderr can be opened again, by either user", async () => {
      for (const user of ["sandbox", "root"] as const) {
        const done = await bench().sh(id(), "echo out > /dev/stdout; echo err | tee /dev/stderr > /dev/null", { user });
        expect(done).toMatchObject({ exitCode: 0, stdout: "out\n", stderr: "err\n" });
      }
    });

    test("a full pipe makes a command wait, on either output", async () => {
      const ask = "import os; print([os.get_blocking(fd) for fd in (1, 2)])";
      expect((await bench().run(id(), ["python3", "-c", ask])).stdout).toBe("[True, True]\n");
    });

    test("much output arrives whole", async () => {
      const bytes = 20_000_000;
      const execution = await bench().engine.exec(id(), {
        argv: ["sh", "-c", `yes 0123456789abcde | head -c ${bytes}; echo done >&2`],
        env: {},
        cwd: null,
        user: "sandbox",
        timeoutMs: 60_000,
      });
      const hash = createHash("sha256");
      execution.stdout.on("data", (chunk: Buffer) => hash.update(chunk));
      expect(await textOf(execution.stderr)).toBe("done\n");
      expect(await execution.result).toEqual({ exitCode: 0, timedOut: false });
      const whole = createHash("sha256").update("0123456789abcde\n".repeat(bytes / 16));
      expect(hash.digest("hex")).toBe(whole.digest("hex"));
    });

    const alive = async (mark: string) =>
      (await bench().sh(id(), `pgrep -f "[s]leep ${mark}" | wc -l`, { user: "root" })).stdout.trim();

    test("a timeout ends the command with its children", async () => {
      const started = Date.now();
      const done = await bench().sh(id(), "sleep 4711 & sleep 4711 & echo begun; wait", { timeoutMs: 700 });
      expect(done).toEqual({ exitCode: -1, timedOut: true, stdout: "begun\n", stderr: "" });
      expect(Date.now() - started).toBeLessThan(5_000);
      expect(await alive("4711")).toBe("0");
    });

    test("so does an abort", async () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 400);
      const done = await bench().sh(id(), "sleep 4712 & sleep 4712", { signal: controller.signal });
      expect(done).toMatchObject({ exitCode: -1, timedOut: false });
      expect(await alive("4712")).toBe("0");
    });

    test("a signal reaches the command, which may answer it", async () => {
      const exec = (script: string) =>
        bench().engine.exec(id(), {
          argv: ["sh", "-c", script],
          env: {},
          cwd: null,
          user: "sandbox",
          timeoutMs: 20_000,
        });
      const polite = await exec("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done");
      polite.stderr.resume();
      polite.stdout.once("data", () => void polite.kill(15));
      expect(await textOf(polite.stdout)).toContain("bye");
      expect(await polite.result).toEqual({ exitCode: 5, timedOut: false });
      const plain = await exec("echo ready; exec sleep 60");
      plain.stderr.resume();
      plain.stdout.once("data", () => void plain.kill(15));
      expect(await plain.result).toEqual({ exitCode: -1, timedOut: false });
    });

    test("what is left running in the background holds nobody up, and runs on", async () => {
      const started = Date.now();
      const done = await bench().sh(id(), "sleep 4713 & echo begun; exit 3");
      expect(done).toMatchObject({ exitCode: 3, stdout: "begun\n" });
      expect(Date.now() - started).toBeLessThan(4_000);
      expect(await alive("4713")).toBe("1");
      await bench().sh(id(), "pkill -f 'sleep 4713'", { user: "root" });
    });

    test("what prints without end in the background holds nobody up, and runs on", async () => {
      const started = Date.now();
      const script = "(while :; do echo x; sleep 0.05; echo 4714 >/dev/null; done) & echo done; exit 3";
      const done = await bench().sh(id(), script);
      expect(done).toMatchObject({ exitCode: 3, timedOut: false, stdout: expect.stringContaining("done\n") });
      expect(Date.now() - started).toBeLessThan(6_000);
      await bench().sh(id(), "sleep 0.5");
      expect((await bench().sh(id(), "pkill -f '[e]cho 4714' && echo ended", { user: "root" })).stdout).toBe("ended\n");
    });

    test("what floods in the background holds nobody up either", async () => {
      const started = Date.now();
      expect(await bench().sh(id(), "yes 4715 & exit 3")).toMatchObject({ exitCode: 3, timedOut: false });
      expect(Date.now() - started).toBeLessThan(6_000);
      expect(await bench().sh(id(), "pkill -f '[y]es 4715'", { user: "root" })).toMatchObject({ exitCode: 0 });
    });

    test("a server left in the background may print after the command is over, as often as it likes", async () => {
      const server = "for n in 1 2 3; do sleep 0.5; echo $n; echo $n >&2; done; echo lived > /tmp/lived";
      expect(await bench().sh(id(), `(${server}) & echo begun`)).toMatchObject({ exitCode: 0, stdout: "begun\n" });
      const { stdout } = await bench().sh(id(), "sleep 2.5; cat /tmp/lived");
      expect(stdout).toBe("lived\n");
    });

    test("a command leads a session of its own, and inherits nothing but its three streams", async () => {
      const ask =
        "import os; print(os.getsid(0) == os.getpid(), os.getgroups(), sorted(os.listdir('/proc/self/fd'))[:-1])";
      for (const user of ["sandbox", "root"] as const) {
        const { stdout } = await bench().run(id(), ["python3", "-c", ask], { user });
        expect(stdout).toBe("True [] ['0', '1', '2']\n");
      }
    });

    test("one that floods and is not read holds no other up, and is itself held", async () => {
      const flood = { argv: ["yes"], env: {}, cwd: null, user: "sandbox", timeoutMs: 60_000 } as const;
      const floods = await Promise.all([1, 2, 3].map(() => bench().engine.exec(id(), flood)));
      const started = Date.now();
      for (let round = 0; round < 5; round++) expect((await bench().sh(id(), "echo through")).stdout).toBe("through\n");
      expect(Date.now() - started).toBeLessThan(5_000);
      const before = process.memoryUsage().rss;
      await pause(1_000);
      expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
      for (const { kill, stdout, stderr, result } of floods) {
        await kill(9);
        for (const stream of [stdout, stderr]) stream.resume();
        expect(await result).toEqual({ exitCode: -1, timedOut: false });
      }
    });

    test("one that does not take its input holds no other up, and takes it when it wants", async () => {
      const stdin = Readable.from(Array(40).fill(Buffer.alloc(1 << 20, "in")), { objectMode: false });
      const slow = bench().sh(id(), "sleep 1; wc -c", { stdin });
      const started = Date.now();
      expect((await bench().sh(id(), "echo through")).stdout).toBe("through\n");
      expect(Date.now() - started).toBeLessThan(900);
      expect((await slow).stdout.trim()).toBe(String(40 << 20));
    });

    describe("in a sandbox that plays tricks", () => {
      let tricked: string;
      beforeAll(async () => {
        tricked = await bench().sandbox();
      });
      afterAll(() => bench().engine.destroySandbox(tricked));
      const answers = () => bench().sh(tricked, "echo alive");

      test("no signal that a program may have sent by mistake ends what runs commands", async () => {
        const signals = "TERM INT HUP QUIT USR1 USR2 ALRM CHLD PIPE TSTP TTIN TTOU";
        await bench().sh(tricked, `for n in ${signals}; do kill -$n 1; done`, { user: "root" });
        expect(await answers()).toMatchObject({ exitCode: 0, stdout: "alive\n" });
      });

      test("garbage on all that it holds open is survived", async () => {
        const garbage =
          "for fd in /proc/1/fd/*; do timeout 1 head -c 100000 /dev/urandom > $fd; timeout 1 head -c 1000 $fd; done";
        await bench().sh(tricked, garbage, { user: "root" });
        expect(await answers()).toMatchObject({ exitCode: 0, stdout: "alive\n" });
      });

      test("so is the end of all processes but the first, for whoever asks next", async () => {
        const sleeping = bench().run(tricked, ["sleep", "100"]);
        await pause(300);
        await bench().sh(tricked, "kill -9 -1", { user: "root" });
        expect((await sleeping).exitCode).not.toBe(0);
        expect(await answers()).toMatchObject({ exitCode: 0, stdout: "alive\n" });
      });

      test("its own root may end it as a whole at most: then it is stopped, and says so", async () => {
        await bench().sh(tricked, "kill -9 1", { user: "root" });
        const started = Date.now();
        if ((await bench().engine.sandboxStatus(tricked)) === "running") {
          expect(await answers()).toMatchObject({ exitCode: 0, stdout: "alive\n" });
        } else {
          await expect(answers()).rejects.toMatchObject({ code: "gone" });
        }
        expect(Date.now() - started).toBeLessThan(5_000);
      });
    });

    test("many at once", async () => {
      const numbers = Array.from({ length: 12 }, (_, index) => index);
      const done = await Promise.all(numbers.map((number) => bench().sh(id(), `echo ${number}; exit ${number}`)));
      expect(done.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual(numbers.map((n) => [n, `${n}\n`]));
    });

    test("a sandbox that is not there is gone", async () => {
      await expect(bench().run("sb-never", ["true"])).rejects.toMatchObject({ code: "gone" });
    });
  });
}
