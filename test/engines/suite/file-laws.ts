import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../../src/image/hash";
import { type EngineUnderTest, useBench } from "./engine-under-test";

/** Files are read and written whole or not at all, whatever they are called. */
export function fileLaws(under: EngineUnderTest): void {
  describe("files", () => {
    const { bench, id } = useBench(under);
    const stat = async (path: string) =>
      (await bench().run(id(), ["stat", "-c", "%U %a", path], { user: "root" })).stdout.trim();

    test.each([
      ["plain text", "/home/sandbox/a.txt", "hello\n"],
      ["nothing", "/home/sandbox/empty", ""],
      ["bytes that are no text", "/tmp/bytes", Buffer.from([0, 1, 255, 10, 0])],
      ["a name with everything", '/tmp/it\'s "a" $b\n-c;ü/*?', "x"],
      ["a name like an option", "/tmp/-rf", "x"],
      ["parents that are not there", "/home/sandbox/p/q/r/s.txt", "deep"],
    ])("%s comes back as it was written", async (_, path, content) => {
      await bench().write(id(), path, content);
      const chunks: Buffer[] = [];
      for await (const chunk of await bench().engine.readFile(id(), path, bench().signal)) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks)).toEqual(Buffer.from(content));
    });

    test("a big file streams both ways", async () => {
      const block = Buffer.alloc(1 << 20, "block of bytes ");
      await bench().engine.writeFile(id(), "/tmp/big", Readable.from(Array(24).fill(block)), bench().signal);
      const back = await bench().read(id(), "/tmp/big");
      expect(digestOf(back)).toBe(digestOf(Buffer.concat(Array(24).fill(block))));
    });

    test("a new file has 0644 and its directory's owner; an old one keeps what it has", async () => {
      await bench().write(id(), "/home/sandbox/mine", "1");
      await bench().write(id(), "/etc/theirs", "1");
      await bench().sh(id(), "chmod 750 mine; sudo chown root mine");
      await bench().write(id(), "/home/sandbox/mine", "2");
      expect([await stat("/home/sandbox/mine"), await stat("/etc/theirs")]).toEqual(["root 750", "root 644"]);
      await bench().write(id(), "/home/sandbox/new/dir/file", "1");
      expect([await stat("/home/sandbox/new"), await stat("/home/sandbox/new/dir/file")]).toEqual([
        "sandbox 755",
        "sandbox 644",
      ]);
    });

    test("writing to a link writes what it points to", async () => {
      await bench().sh(id(), "echo old > target; ln -sf target link; ln -sf nowhere dangling");
      await bench().write(id(), "/home/sandbox/link", "new");
      await bench().write(id(), "/home/sandbox/dangling", "there");
      const { stdout } = await bench().sh(id(), "cat target; readlink link; cat nowhere");
      expect(stdout).toBe("newtarget\nthere");
    });

    test("a write that breaks off leaves the old file, and nothing else", async () => {
      await bench().write(id(), "/tmp/half/file", "whole");
      const broken = Readable.from(
        (async function* () {
          yield Buffer.from("part");
          throw new Error("the sender died");
        })(),
      );
      const writing = bench().engine.writeFile(id(), "/tmp/half/file", broken, bench().signal);
      await expect(writing).rejects.toMatchObject({ code: "aborted" });
      const controller = new AbortController();
      const endless = new Readable({ read: () => undefined });
      endless.push("part");
      setTimeout(() => controller.abort(), 300);
      const stopped = bench().engine.writeFile(id(), "/tmp/half/file", endless, controller.signal);
      await expect(stopped).rejects.toMatchObject({ code: "aborted" });
      expect(await bench().read(id(), "/tmp/half/file")).toBe("whole");
      expect((await bench().sh(id(), "ls -A /tmp/half")).stdout).toBe("file\n");
    });

    test("a directory is listed by name, hidden entries and links included", async () => {
      await bench().sh(id(), "mkdir -p l/sub; printf 123 > l/b; touch l/.a 'l/c d'; ln -s sub l/z; ln -s gone l/y");
      const entry = (name: string, isDir: boolean, sizeBytes?: number) =>
        expect.objectContaining({
          name,
          path: `/home/sandbox/l/${name}`,
          isDir,
          ...(sizeBytes === undefined ? {} : { sizeBytes }),
        });
      expect(await bench().engine.listFiles(id(), "/home/sandbox/l", bench().signal)).toEqual([
        entry(".a", false, 0),
        entry("b", false, 3),
        entry("c d", false, 0),
        entry("sub", true),
        entry("y", false),
        entry("z", true),
      ]);
      expect(await bench().engine.listFiles(id(), "/mnt", bench().signal)).toEqual([]);
    });

    test("directories are made with their parents, and made again; files are removed, and removed again", async () => {
      for (const _ of [1, 2]) await bench().engine.makeDir(id(), "/home/sandbox/m/n", bench().signal);
      expect(await stat("/home/sandbox/m/n")).toBe("sandbox 755");
      for (const _ of [1, 2]) await bench().engine.removeFile(id(), "/home/sandbox/m", bench().signal);
      expect((await bench().sh(id(), "ls -d m")).exitCode).not.toBe(0);
    });

    describe("in a sandbox that plays tricks", () => {
      let tricked: string;
      beforeAll(async () => {
        tricked = await bench().sandbox();
      });
      afterAll(() => bench().engine.destroySandbox(tricked));
      /** Puts a script in place of a program. */
      const replace = async (program: string, script: string) => {
        const put = `rm -f ${program} && printf '#!/bin/sh\\n%s\\n' "$0" > ${program} && chmod 755 ${program}`;
        expect(await bench().run(tricked, ["sh", "-c", put, script], { user: "root" })).toMatchObject({ exitCode: 0 });
      };

      test("what the image has for cat, find and their like is not used", async () => {
        for (const program of ["cat", "find", "stat", "mv", "mkdir"]) await replace(`/usr/bin/${program}`, "exit 1");
        await bench().write(tricked, "/tmp/new/file", "there");
        expect(await bench().read(tricked, "/tmp/new/file")).toBe("there");
        const [entry] = await bench().engine.listFiles(tricked, "/tmp/new", bench().signal);
        expect(entry).toMatchObject({ name: "file", sizeBytes: 5 });
      });

      test("more entries than anybody reads are not taken", async () => {
        const fill = "import os\nfor n in range(17_000): os.symlink('x', f'/mnt/{n:0250}')";
        expect(await bench().run(tricked, ["python3", "-c", fill], { user: "root" })).toMatchObject({ exitCode: 0 });
        await expect(bench().engine.listFiles(tricked, "/mnt", bench().signal)).rejects.toMatchObject({
          code: "invalid_input",
          message: expect.stringContaining("too much to say about /mnt"),
        });
      });

      test("more messages than anybody reads are not taken", async () => {
        await replace("/usr/bin/rm", "exec head -c 300M /dev/zero >&2");
        await expect(bench().engine.removeFile(tricked, "/tmp/new", bench().signal)).rejects.toMatchObject({
          code: "invalid_input",
          message: expect.stringContaining("too much to say about /tmp/new"),
        });
      });

      test("a write that somebody inside has stopped ends when its caller gives up", async () => {
        const stopIt = "until pkill -STOP -f '[o]pencomputer-agent write'; do sleep 0.01; done";
        const stopping = bench().sh(tricked, stopIt, { user: "root" });
        const controller = new AbortController();
        const endless = new Readable({ read: () => undefined });
        const writing = bench().engine.writeFile(tricked, "/tmp/stopped", endless, controller.signal);
        const ended = expect(Promise.race([writing, pause(20_000)])).rejects.toMatchObject({ code: "aborted" });
        expect(await stopping).toMatchObject({ exitCode: 0 });
        controller.abort();
        await ended;
      });
    });

    const { signal } = new AbortController();
    test.each([
      ["reading what is not there", () => bench().engine.readFile(id(), "/no", signal), "not_found"],
      ["reading a directory", () => bench().engine.readFile(id(), "/etc", signal), "invalid_input"],
      ["reading a device", () => bench().engine.readFile(id(), "/dev/zero", signal), "invalid_input"],
      ["writing over a directory", () => bench().write(id(), "/etc", "x"), "invalid_input"],
      ["writing below a file", () => bench().write(id(), "/etc/passwd/x", "x"), "invalid_input"],
      ["listing what is not there", () => bench().engine.listFiles(id(), "/no", signal), "not_found"],
      ["listing a file", () => bench().engine.listFiles(id(), "/etc/passwd", signal), "invalid_input"],
      ["making a directory of a file", () => bench().engine.makeDir(id(), "/etc/passwd", signal), "invalid_input"],
      ["a relative path", () => bench().engine.readFile(id(), "etc/passwd", signal), "invalid_input"],
      ["a path with a NUL", () => bench().engine.readFile(id(), "/etc/\0", signal), "invalid_input"],
      ["no sandbox", () => bench().engine.readFile("sb-never", "/etc/passwd", signal), "gone"],
    ])("%s", async (_, attempt, code) => {
      await expect(attempt()).rejects.toMatchObject({ code });
    });
  });
}
