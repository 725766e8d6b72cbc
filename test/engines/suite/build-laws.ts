import { describe, expect, test } from "vitest";
import type { BuildEvent } from "../../../src/engines/engine";
import { digestOf } from "../../../src/image/hash";
import { toDirContent } from "../../../src/image/tree";
import { type EngineUnderTest, env, run, useBench, workdir } from "./engine-under-test";

/** Steps become layers; what was built once is not built again; what failed leaves nothing. */
export function buildLaws(under: EngineUnderTest): void {
  describe("build", () => {
    const { bench } = useBench(under);
    const unique = `${process.pid}-${Date.now()}`;
    const messages = (log: readonly BuildEvent[], type: string) =>
      log.filter((event) => event.type === type).map((event) => event.message);

    test("a second build runs nothing, and after an edit of the last step only that runs", async () => {
      const first: BuildEvent[] = [];
      const steps = [run(`echo ${unique} > /one`), run("cat /one > /two")];
      const checkpoint = await bench().build(steps, { log: first });
      expect(checkpoint.layers).toHaveLength(3);
      expect(first.map(({ step, type }) => `${step} ${type}`)).toEqual([
        "0 build",
        ...["1 run", "1 run", "1 run", "2 run", "2 run", "2 run"],
        "3 checkpoint",
      ]);

      const again: BuildEvent[] = [];
      expect(await bench().build(steps, { log: again })).toEqual(checkpoint);
      expect(again.map(({ step, type }) => `${step} ${type}`)).toEqual(["0 cache_hit"]);

      const edited: BuildEvent[] = [];
      await bench().build([steps[0] ?? run(), run("cat /one > /three")], { log: edited });
      expect(messages(edited, "build")).toEqual(["building 2 steps (1 cached)"]);
      expect(messages(edited, "run").filter((message) => message.startsWith("$ "))).toEqual(["$ cat /one > /three"]);
      expect(messages(edited, "run").at(-1)).toMatch(/^step 2\/2 completed in \d+\.\d s$/);
      expect([first, edited].map((log) => messages(log, "checkpoint").join())).toEqual([
        expect.stringMatching(/^checkpoint of 2 steps is ready: 2 run, 0 cached, \d+\.\d s in all$/),
        expect.stringMatching(/^checkpoint of 2 steps is ready: 1 run, 1 cached, \d+\.\d s in all$/),
      ]);
      expect(await bench().engine.plan({ base: "base", steps })).toMatchObject({ cached: 2 });
    });

    test("commands share one shell, their output comes line by line, and stderr is told apart", async () => {
      const log: BuildEvent[] = [];
      await bench().build([run(`N=${unique}; cd /tmp`, 'echo "$N in $(pwd)"; printf unfinished', "echo bad >&2")], {
        log,
      });
      expect(log.filter(({ stream }) => stream === "stdout").map(({ message }) => message)).toContain(
        `${unique} in /tmp`,
      );
      expect(log.map(({ message }) => message)).toContain("unfinished");
      expect(log.filter(({ stream }) => stream === "stderr").map(({ message }) => message)).toEqual(["bad"]);
    });

    test("a failing command is named with its code and last lines; the steps before it stay, it does not", async () => {
      const steps = [
        run(`echo ${unique} > /kept`),
        run("true", "echo some; echo words >&2; (exit 42)", "touch /never"),
      ];
      const log: BuildEvent[] = [];
      const error = await bench()
        .build(steps, { log })
        .catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: "build_failed" });
      expect((error as Error).message).toContain(
        'step 2/2 (run true && echo some; echo words >&2; (exit 42) && touch /never): command 2 "echo some; echo words >&2; (exit 42)" exited with code 42',
      );
      const { details } = error as { details: { lastLines: string[] } };
      expect(details).toMatchObject({ step: 2, stepType: "run", exitCode: 42 });
      expect([...details.lastLines].sort()).toEqual(["some", "words"]);
      expect(await bench().engine.plan({ base: "base", steps })).toMatchObject({ cached: 1 });
    });

    test("an abort ends the step at once and keeps the layers before it", async () => {
      const steps = [run(`echo ${unique} > /before-abort`), run("echo sleeping; sleep 600")];
      const controller = new AbortController();
      let abortedAt = 0;
      const log: BuildEvent[] = [];
      const watch = setInterval(() => {
        if (!log.some(({ message }) => message === "sleeping")) return;
        clearInterval(watch);
        abortedAt = Date.now();
        controller.abort();
      }, 10);
      const error = await bench()
        .build(steps, { signal: controller.signal, log })
        .catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: "build_cancelled" });
      expect(Date.now() - abortedAt).toBeLessThan(2_000);
      expect(await bench().engine.plan({ base: "base", steps })).toMatchObject({ cached: 1 });
    });

    test("a step that takes too long fails and says so", async () => {
      const steps = [run("sleep 600")];
      const building = bench().build(steps, { stepTimeoutMs: 1_500 });
      await expect(building).rejects.toMatchObject({
        code: "build_failed",
        message: expect.stringContaining("ran longer than its limit of 1.5 s"),
      });
    });

    const nasty = {
      QUOTES: `it's "so" \`x\` $HOME \\`,
      LINES: "one\ntwo\n",
      EMPTY: "",
      UNICODE: "ü 漢 😀",
      PLAIN: "plain",
    };

    test("env and workdir hold in later steps, in the checkpoint, and for login shells", async () => {
      const places = Object.keys(nasty).map((name) => `printf %s "$${name}" > /tmp/${name}`);
      const steps = [env({ PLAIN: "old" }), env(nasty), workdir("/deep/er/place"), run("pwd > /tmp/where", ...places)];
      const checkpoint = await bench().build(steps);
      expect(checkpoint).toMatchObject({ env: nasty, workdir: "/deep/er/place" });
      const id = await bench().sandbox(checkpoint);
      expect(await bench().read(id, "/tmp/where")).toBe("/deep/er/place\n");
      for (const [name, value] of Object.entries(nasty)) expect(await bench().read(id, `/tmp/${name}`)).toBe(value);
      const login = await bench().run(id, ["su", "-", "sandbox", "-c", "env"], { user: "root" });
      expect(login.stdout.split("\n")).toEqual(expect.arrayContaining([`QUOTES=${nasty.QUOTES}`, "PLAIN=plain"]));
      expect(login.stdout).not.toContain("two");
      expect(await bench().sh(id, 'stat -c "%U" .; touch here', { cwd: checkpoint.workdir })).toMatchObject({
        exitCode: 0,
        stdout: "sandbox\n",
      });
      await bench().engine.destroySandbox(id);
    });

    test("mode and owner are what the step says, and large directories come from their tree", async () => {
      const file = (path: string, content: string) => ({ path, digest: bench().blob(content), executable: false });
      const names = Array.from({ length: 250 }, (_, index) => `deep/f${index}`);
      const entries = names.map((name) => ({ kind: "file" as const, ...file(name, name) }));
      const tree = bench().blob(toDirContent(entries).tree?.bytes ?? "");
      const id = await bench().sandbox(
        await bench().build([
          { type: "add_file", args: { ...file("/etc/oc/secret", "s"), mode: "0640", owner: "root:sandbox" } },
          { type: "add_dir", args: { path: "/opt/app", tree, mode: "0440", owner: "sandbox" } },
        ]),
      );
      const script =
        "stat -c '%a %U:%G' /etc/oc/secret /opt/app /opt/app/deep /opt/app/deep/f249; ls /opt/app/deep | wc -l";
      const { stdout } = await bench().sh(id, script);
      const expected = ["640 root:sandbox", "755 sandbox:sandbox", "550 sandbox:sandbox", "440 sandbox:sandbox", "250"];
      expect(stdout.trim().split("\n")).toEqual(expected);
      await bench().engine.destroySandbox(id);
    });

    test("files arrive whole, with the owner of their place, 0644 or 0755, links as links, at a fixed time", async () => {
      const big = Buffer.alloc(3_000_000, "0123456789");
      const entries = [
        { kind: "file" as const, path: "a b/big.bin", digest: bench().blob(big), executable: false },
        { kind: "file" as const, path: "empty", digest: bench().blob(""), executable: false },
        { kind: "dir" as const, path: "hollow" },
        { kind: "link" as const, path: "link", target: "a b/big.bin" },
        { kind: "file" as const, path: `${"long/".repeat(40)}name`, digest: bench().blob("long"), executable: false },
      ];
      const id = await bench().sandbox(
        await bench().build([
          { type: "add_file", args: { path: "/etc/oc/conf", digest: bench().blob("old"), executable: false } },
          { type: "add_file", args: { path: "/etc/oc/conf", digest: bench().blob("new"), executable: false } },
          { type: "add_file", args: { path: "/workspace/bin/tool", digest: bench().blob("#!"), executable: true } },
          { type: "add_dir", args: { path: "/home/sandbox/tree", entries } },
        ]),
      );
      const script = `cd / && stat -c '%n %U %a %Y' etc/oc/conf workspace/bin workspace/bin/tool home/sandbox/tree/hollow \
        "home/sandbox/tree/a b" "home/sandbox/tree/a b/big.bin"; readlink home/sandbox/tree/link; cat etc/oc/conf; \
        sha256sum < home/sandbox/tree/link; wc -c < home/sandbox/tree/empty; cat home/sandbox/tree/${"long/".repeat(40)}name`;
      const { stdout } = await bench().sh(id, script);
      expect(stdout.replace(/(workspace\/bin sandbox 755) \d+/, "$1")).toBe(
        `etc/oc/conf root 644 315532800
workspace/bin sandbox 755
workspace/bin/tool sandbox 755 315532800
home/sandbox/tree/hollow sandbox 755 315532800
home/sandbox/tree/a b sandbox 755 315532800
home/sandbox/tree/a b/big.bin sandbox 644 315532800
a b/big.bin
new${digestOf(big).slice(7)}  -
0
long`,
      );
      await bench().engine.destroySandbox(id);
    });

    test("bytes that nobody has are an error that says so, and no layer", async () => {
      const steps = [
        { type: "add_file" as const, args: { path: "/x", digest: digestOf("unheard of"), executable: false } },
      ];
      await expect(bench().build(steps)).rejects.toMatchObject({ code: "blob_missing" });
      expect(await bench().engine.plan({ base: "base", steps })).toMatchObject({ cached: 0 });
    });

    test("an image that answers without end fails its step", async () => {
      const floods =
        "rm /usr/bin/cat; printf '#!/bin/sh\\nexec head -c 300M /dev/zero\\n' > /usr/bin/cat; chmod 755 /usr/bin/cat";
      await expect(bench().build([run(floods), env({ A: "1" })])).rejects.toMatchObject({
        code: "build_failed",
        message: expect.stringContaining("printed more than 65536 bytes"),
      });
    });

    test("empty steps are layers like others", async () => {
      const checkpoint = await bench().build([
        { type: "apt_install", args: { packages: [] } },
        { type: "pip_install", args: { packages: [] } },
        run(),
        env({}),
        { type: "add_dir", args: { path: "/made", entries: [] } },
      ]);
      expect(checkpoint.layers).toHaveLength(6);
      expect(await bench().engine.hasCheckpoint(checkpoint)).toBe(true);
    });

    test("collecting takes what nobody needs, and nothing else", async () => {
      const kept = await bench().build([run(`echo ${unique} > /shared`), run("touch /kept")]);
      const gone = await bench().build([run(`echo ${unique} > /shared`), run("touch /gone")]);
      const used = await bench().build([run(`echo ${unique} > /shared`), run("touch /used")]);
      const id = await bench().sandbox(used);
      const { layers } = await bench().engine.collect([kept]);
      expect(layers).toBeGreaterThan(0);
      expect(await bench().engine.hasCheckpoint(kept)).toBe(true);
      expect(await bench().engine.hasCheckpoint(used)).toBe(true);
      expect(await bench().engine.hasCheckpoint(gone)).toBe(false);
      expect(await bench().sh(id, "ls /used")).toMatchObject({ exitCode: 0 });
      await bench().engine.destroySandbox(id);
      await expect(bench().sandbox(gone)).rejects.toMatchObject({ code: "not_found" });
    });
  });
}
