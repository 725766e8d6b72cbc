import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { ExecSpec, Execution } from "../../../src/engines/engine";
import { createSandboxFiles } from "../../../src/engines/local/sandbox-files";

const { signal } = new AbortController();

/** An exec that ends as soon as it began, with this output. */
function ending(exitCode: number, timedOut: boolean, output = "") {
  const specs: ExecSpec[] = [];
  const exec = async (_: string, spec: ExecSpec): Promise<Execution> => {
    specs.push(spec);
    const nothing = () => Readable.from([]);
    const result = Promise.resolve({ exitCode, timedOut });
    return {
      stdout: Readable.from(output === "" ? [] : [Buffer.from(output)]),
      stderr: nothing(),
      result,
      kill: async () => undefined,
    };
  };
  return { specs, files: createSandboxFiles(exec) };
}

test("every operation has a limit and a signal", async () => {
  const { specs, files } = ending(0, false);
  await files.list("sb", "/a", signal);
  await files.makeDir("sb", "/a", signal);
  await files.remove("sb", "/a", signal);
  await files.write("sb", "/a", Readable.from(["x"]), signal);
  await files.read("sb", "/a", signal).catch(() => undefined);
  expect(specs.map(({ timeoutMs }) => timeoutMs)).toEqual(Array(5).fill(3_600_000));
  expect(specs.every((spec) => spec.signal !== undefined)).toBe(true);
});

test("one that took too long says so", async () => {
  const { files } = ending(-1, true);
  for (const attempt of [files.list("sb", "/a", signal), files.read("sb", "/a", signal)]) {
    await expect(attempt).rejects.toMatchObject({ code: "timeout", message: expect.stringContaining("60 minutes") });
  }
});

test("a listing is one of names", async () => {
  const { files } = ending(0, false, "f 3 a b\0d 4096 sub\0l 1 ..hidden\nline\0");
  expect((await files.list("sb", "/a", signal)).map(({ name, path }) => [name, path])).toEqual([
    ["..hidden\nline", "/a/..hidden\nline"],
    ["a b", "/a/a b"],
    ["sub", "/a/sub"],
  ]);
});

test.each([
  "f 1 ..",
  "d 1 .",
  "f 1 ../../etc/passwd",
  "f 1 a/b",
  "f 1 /etc",
  "f x a",
  "f 1 ",
  "f -1 a",
  "x 1 a",
  "nonsense",
])("a sandbox that lists %j is not believed", async (line) => {
  const { files } = ending(0, false, `f 1 fine\0${line}\0`);
  await expect(files.list("sb", "/a", signal)).rejects.toMatchObject({
    code: "invalid_input",
    message: expect.stringContaining("lists what cannot be in /a"),
  });
});
