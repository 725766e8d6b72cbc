import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { ExecSpec, Execution } from "../../../src/engines/engine";
import { createSandboxFiles } from "../../../src/engines/local/sandbox-files";

const { signal } = new AbortController();

/** An exec that ends as soon as it began. */
function ending(exitCode: number, timedOut: boolean) {
  const specs: ExecSpec[] = [];
  const exec = async (_: string, spec: ExecSpec): Promise<Execution> => {
    specs.push(spec);
    const nothing = () => Readable.from([]);
    const result = Promise.resolve({ exitCode, timedOut });
    return { stdout: nothing(), stderr: nothing(), result, kill: async () => undefined };
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
