import { describe, expect, test } from "vitest";
import { type EngineUnderTest, textOf, useSandboxes } from "./engine-under-test";

/** Counts in memory only, and says over HTTP how far it is and where it is. */
const SERVICE = `import http.server, socket, threading, time
n = 0
def count():
    global n
    while True:
        n += 1
        time.sleep(0.01)
threading.Thread(target=count, daemon=True).start()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"{n} {socket.gethostname()}".encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("", 8123), Handler).serve_forever()`;

const ASK = `import urllib.request as u, sys; print(u.urlopen(f"http://{sys.argv[1]}:8123/", timeout=5).read().decode())`;

/** What starts from a full checkpoint goes on where the other was, as somebody of its own. For engines that keep memory. */
export function forkLaws(under: EngineUnderTest): void {
  describe("full checkpoints", () => {
    const { bench, sandbox } = useSandboxes(under);
    const full = (id: string) => bench.engine.checkpoint(id, "full", bench.signal);
    const ask = async (id: string, host = "127.0.0.1") => {
      const { stdout, stderr } = await bench.run(id, ["python3", "-c", ASK, host]);
      if (!stdout) throw new Error(stderr);
      const [count = "", name = ""] = stdout.trim().split(" ");
      return { count: Number(count), name };
    };
    const withService = async () => {
      const id = await sandbox();
      await bench.write(id, "/tmp/service.py", SERVICE);
      await bench.sh(id, "python3 /tmp/service.py >/dev/null 2>&1 &");
      await bench.sh(
        id,
        "until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8123))' 2>/dev/null; do sleep 0.1; done",
      );
      return id;
    };

    test("a fork goes on where the source was, with a name, a machine-id and an address of its own", async () => {
      const id = await withService();
      await bench.sh(id, "echo source > /tmp/file");
      await bench.sh(id, "sleep 0.5");
      const { checkpoint, sizeBytes } = await full(id);
      expect(sizeBytes).toBeGreaterThan(1024 ** 2);
      const before = (await ask(id)).count;
      const forks = await Promise.all([sandbox(checkpoint), sandbox(checkpoint)]);
      for (const fork of forks) {
        const said = await ask(fork);
        expect(said.count).toBeGreaterThan(20);
        expect(said.name).toBe(fork);
        const look = "cat /etc/hostname /tmp/file; hostname; tail -1 /etc/hosts | cut -f1";
        const [inFile, file, name, address = ""] = (await bench.sh(fork, look)).stdout.split("\n");
        expect([inFile, file, name]).toEqual([fork, "source", fork]);
        expect((await ask(fork, address)).name).toBe(fork);
      }
      const look = "cat /etc/machine-id; tail -1 /etc/hosts | cut -f1; echo mine > /tmp/file";
      const seen = await Promise.all([id, ...forks].map(async (one) => (await bench.sh(one, look)).stdout));
      expect(new Set(seen.flatMap((text) => text.trim().split("\n"))).size).toBe(6);
      expect((await ask(id)).count).toBeGreaterThan(before);
      expect((await bench.sh(id, "cat /tmp/file")).stdout).toBe("mine\n");
    });

    test("a fork reaches what its policy says, and answers whoever connects anew", async () => {
      const { checkpoint } = await full(await withService());
      const get = [
        "python3",
        "-c",
        "import urllib.request as u, sys; print(u.urlopen(sys.argv[1], timeout=3).status)",
      ] as const;
      const open = await sandbox(checkpoint);
      expect(await bench.run(open, [...get, under.reachableUrl()])).toMatchObject({ stdout: "200\n" });
      const closed = await sandbox(checkpoint, { network: "none" });
      expect(await bench.run(closed, [...get, under.reachableUrl()])).toMatchObject({ exitCode: 1 });
      expect((await ask(closed)).name).toBe(closed);
    });

    test("commands of the source go on, and who waits for them hears all they say", async () => {
      const id = await sandbox();
      const argv = ["sh", "-c", "for n in 1 2 3 4 5 6; do echo $n; sleep 0.3; done; cat; exit 7"] as const;
      const { PassThrough } = await import("node:stream");
      const stdin = new PassThrough();
      const execution = await bench.engine.exec(id, {
        argv,
        env: {},
        cwd: null,
        user: "sandbox",
        timeoutMs: 30_000,
        stdin,
      });
      const said = textOf(execution.stdout);
      void textOf(execution.stderr);
      const { checkpoint } = await full(id);
      stdin.end("typed later\n");
      expect(await execution.result).toEqual({ exitCode: 7, timedOut: false });
      expect(await said).toBe("1\n2\n3\n4\n5\n6\ntyped later\n");
      const fork = await sandbox(checkpoint);
      expect(await bench.sh(fork, "echo alive")).toMatchObject({ stdout: "alive\n" });
    });

    test("what was started after a restore is in the next checkpoint, too", async () => {
      let id = await sandbox();
      for (const seconds of ["4760", "4761", "4762"]) {
        await bench.sh(id, `sleep ${seconds} >/dev/null 2>&1 &`);
        id = await sandbox((await full(id)).checkpoint);
      }
      expect((await bench.sh(id, "pgrep -fc '[s]leep 476[0-2]'")).stdout).toBe("3\n");
    });

    test("memory and files are of one moment", async () => {
      const id = await sandbox();
      const writer = `import os
fd = os.open("/tmp/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for n in range(10 ** 9): os.write(fd, b"%d\\n" % n)`;
      await bench.engine.exec(id, {
        argv: ["python3", "-c", writer],
        env: {},
        cwd: null,
        user: "sandbox",
        timeoutMs: 0,
      });
      await bench.sh(id, "until [ -s /tmp/log ]; do sleep 0.05; done; sleep 0.2");
      const fork = await sandbox((await full(id)).checkpoint);
      // Had its files been of another moment, there would be a gap, or lines twice.
      const check =
        "sleep 0.3; pkill python3; head -c -1 /tmp/log | awk '$1 != NR - 1 { print NR; exit }'; wc -l < /tmp/log";
      expect((await bench.sh(fork, check)).stdout).toMatch(/^\d+\n$/);
    });

    test("of a sleeping sandbox, which sleeps on; both go on from there", async () => {
      const id = await withService();
      await bench.engine.hibernate(id, bench.signal);
      const { checkpoint } = await full(id);
      expect(await bench.engine.sandboxStatus(id)).toBe("hibernated");
      const fork = await sandbox(checkpoint);
      expect((await ask(fork)).name).toBe(fork);
      await bench.engine.wake({ id, checkpoint, memoryMB: 512, cpuCount: 1 }, bench.signal);
      expect((await ask(id)).name).toBe(id);
    });

    test("restore in place goes on from it, too", async () => {
      const id = await withService();
      const { checkpoint } = await full(id);
      await bench.sh(id, "pkill -f service.py; echo later > /tmp/later");
      await bench.engine.restore({ id, checkpoint, memoryMB: 512, cpuCount: 1 }, bench.signal);
      expect((await ask(id)).name).toBe(id);
      expect((await bench.sh(id, "ls /tmp/later")).exitCode).not.toBe(0);
    });

    test("its memory goes when nothing needs it", async () => {
      const { checkpoint } = await full(await sandbox());
      await bench.engine.collect([checkpoint]);
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(true);
      await bench.engine.collect([{ ...checkpoint, memory: "" }]);
      expect(await bench.engine.hasCheckpoint(checkpoint)).toBe(false);
      const fork = sandbox(checkpoint);
      await expect(fork).rejects.toMatchObject({ code: "not_found" });
    });

    test("after a restart of the server it is still one: source, forks and their commands", async () => {
      const id = await withService();
      await bench.engine.stop();
      await bench.start([id]);
      await bench.sh(id, "sleep 4763 >/dev/null 2>&1 &");
      const fork = await sandbox((await full(id)).checkpoint);
      expect((await ask(fork)).name).toBe(fork);
      expect((await bench.sh(fork, "pgrep -fc '[s]leep 4763'")).stdout).toBe("1\n");
    });
  });
}
