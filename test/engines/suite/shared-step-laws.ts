import { describe, expect, test } from "vitest";
import type { BuildEvent } from "../../../src/engines/engine";
import { type EngineUnderTest, run, useBench } from "./engine-under-test";

/** Builds of different images at the same time run the steps that they share once. */
export function sharedStepLaws(under: EngineUnderTest): void {
  describe("shared steps", () => {
    const { bench } = useBench(under);
    const unique = `${process.pid}-${Date.now()}`;
    const messages = (log: readonly BuildEvent[], type: string) =>
      log.filter((event) => event.type === type).map((event) => event.message);

    test("builds that share a step run it once; the others wait and say so", async () => {
      const shared = run(`echo ${unique} > /shared-by-two; sleep 1`);
      const logs: BuildEvent[][] = [[], [], []];
      const builds = logs.map((log, index) => bench().build([shared, run(`touch /own${index}`)], { log }));
      const [first] = await Promise.all(builds);
      expect(first?.layers).toHaveLength(3);
      const said = logs.flat().map(({ message }) => message);
      expect(said.filter((message) => message.startsWith("$ echo"))).toHaveLength(1);
      expect(said.filter((message) => message === "another build runs this step; waiting for it")).toHaveLength(2);
      expect(said.filter((message) => /: 1 run, 1 cached,/.test(message))).toHaveLength(2);
    });

    test("a build that is cancelled while others wait for its step hands it over", async () => {
      const shared = run(`echo ${unique} > /handed-over; echo at work; sleep 2`);
      const leader = new AbortController();
      const log: BuildEvent[] = [];
      const cancelled = bench().build([shared], { log, signal: leader.signal });
      cancelled.catch(() => undefined);
      await expect.poll(() => messages(log, "run"), { timeout: 20_000 }).toContain("at work");
      const [left, heirs] = [new AbortController(), [[], []] as BuildEvent[][]];
      const leaving = bench().build([shared, run("true")], { signal: left.signal });
      leaving.catch(() => undefined);
      const waiting = heirs.map((heir, index) => bench().build([shared, run(`touch /heir${index}`)], { log: heir }));
      await expect
        .poll(() => heirs.flatMap((heir) => messages(heir, "run")).join(), { timeout: 20_000 })
        .toMatch("waiting");
      left.abort();
      await expect(leaving).rejects.toMatchObject({ code: "build_cancelled" });
      leader.abort();
      await expect(cancelled).rejects.toMatchObject({ code: "build_cancelled" });
      await Promise.all(waiting);
      const ran = heirs.flat().filter(({ message }) => message === "at work");
      expect(ran).toHaveLength(1);
    });
  });
}
