import { describe, expect, test } from "vitest";
import type { BuildEvent } from "../../../src/engines/engine";
import type { Step } from "../../../src/image/image-manifest";
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

    const apt = (...packages: string[]): Step => ({ type: "apt_install", args: { packages } });
    const pip = (...packages: string[]): Step => ({ type: "pip_install", args: { packages } });

    const named = (paths: readonly string[], file: string) => paths.filter((path) => path.endsWith(`/${file}`));

    /** What a build downloads. */
    const downloadsOf = async (step: Step, options: { scope: string }) => {
      const before = under.registry().downloads().length;
      await bench().build([step], options);
      return under.registry().downloads().slice(before);
    };

    test.each([
      ["apt", ["oc-hello=2.0"], ["oc-needs-hello"], "oc-hello_2.0_all.deb", /Packages|oc-hello_/],
      ["pip", ["oc-greet==1.1"], ["oc-needs-greet"], "oc_greet-1.1-py3-none-any.whl", /oc-greet\/|oc_greet-/],
    ] as const)(
      "what %s downloaded is not downloaded again, but for another scope",
      async (tool, one, other, file, known) => {
        const step = tool === "apt" ? apt : pip;
        const mine = { scope: `${tool} mine` };
        expect(named(await downloadsOf(step(...one), mine), file)).toHaveLength(1);
        const later = await downloadsOf(step(...other), mine);
        expect(later).not.toEqual([]);
        expect(later.filter((path) => known.test(path))).toEqual([]);
        const theirs = await downloadsOf(step(...other, ...one), { scope: `${tool} theirs` });
        expect(named(theirs, file)).toHaveLength(1);
      },
    );

    test.each([
      ["apt", "a package that is not there any more", apt("oc-hello=1.0", "oc-rude"), "oc-rude_1.0_all.deb", 404],
      ["apt", "other bytes than the index promised", apt("oc-rude"), "oc-rude_1.0_all.deb", "corrupt"],
      ["apt", "a package that ends too early", apt("oc-rude", "oc-hello"), "oc-rude_1.0_all.deb", "truncated"],
      ["apt", "an index that is not the one of its release", apt("oc-hello"), "Packages.gz", "corrupt"],
      ["pip", "other bytes than the index promised", pip("oc-greet==1.0"), "oc_greet-1.0-py3-none-any.whl", "corrupt"],
      ["pip", "a wheel that ends too early", pip("oc-greet<1.1"), "oc_greet-1.0-py3-none-any.whl", "truncated"],
      ["pip", "a page that a gateway could not get", pip("oc-greet<=1.0"), "/oc-greet/", 502],
      ["pip", "a connection that is cut", pip("oc-greet<1.0.1"), "oc_greet-1.0-py3-none-any.whl", "reset"],
    ] as const)("%s: %s passes with the next attempt", async (_, what, step, pathEnd, fault) => {
      const log: BuildEvent[] = [];
      under.registry().fail(pathEnd, fault);
      await bench().build([step], { scope: `fault ${what}`, log });
      expect(under.registry().pendingFaults()).toBe(0);
    });

    test.each([
      ["apt_install", { type: "apt_install" as const, args: { packages: ["oc-no-such-thing"] } }, /oc-no-such-thing/],
      ["pip_install", { type: "pip_install" as const, args: { packages: ["oc-no-such-thing"] } }, /oc-no-such-thing/],
    ])("%s of what does not exist fails at once and says what", async (stepType, step, words) => {
      const log: BuildEvent[] = [];
      await expect(bench().build([step], { log })).rejects.toMatchObject({
        code: "build_failed",
        message: expect.stringMatching(words),
        details: { step: 1, stepType },
      });
      expect(log.filter(({ message }) => message.includes("attempt"))).toEqual([]);
    });
  });
}
