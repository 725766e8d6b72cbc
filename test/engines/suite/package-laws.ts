import { describe, expect, test } from "vitest";
import { type EngineUnderTest, useBench } from "./engine-under-test";

/** Packages come from where the host says; see test/fixtures/registry.ts for what is in there. */
export function packageLaws(under: EngineUnderTest): void {
  describe("packages", () => {
    const { bench } = useBench(under);

    test("apt and pip install, dependencies included, and leave no lists behind", async () => {
      const id = await bench().sandbox(
        await bench().build([
          { type: "apt_install", args: { packages: ["oc-needs-hello", "oc-hello=1.0"] } },
          { type: "pip_install", args: { packages: ["oc-needs-greet", "oc-greet<1.1"] } },
        ]),
      );
      expect(await bench().sh(id, "oc-hello; python3 -c 'import oc_greet; print(oc_greet.hello())'")).toMatchObject({
        exitCode: 0,
        stdout: expect.stringMatching(/1\.0\n.*1\.0\n/),
      });
      expect((await bench().sh(id, "find /var/lib/apt/lists /var/cache/apt -type f ! -name lock")).stdout).toBe("");
      await bench().engine.destroySandbox(id);
    });

    test.each([
      ["apt_install", { type: "apt_install" as const, args: { packages: ["oc-no-such-thing"] } }, /oc-no-such-thing/],
      ["pip_install", { type: "pip_install" as const, args: { packages: ["oc-no-such-thing"] } }, /oc-no-such-thing/],
    ])("%s of what does not exist fails and says what", async (stepType, step, words) => {
      await expect(bench().build([step])).rejects.toMatchObject({
        code: "build_failed",
        message: expect.stringMatching(words),
        details: { step: 1, stepType },
      });
    });
  });
}
