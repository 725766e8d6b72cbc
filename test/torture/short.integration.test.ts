import { describe, expect, test } from "vitest";
import { EXPERIMENTS } from "../../torture/experiments";
import { TortureRun } from "../../torture/torture-run";

/** A short part of each long experiment, with the same choices each time. */
const SEED = 20_26;

describe.each(EXPERIMENTS)("$name", (experiment) => {
  test(experiment.promise, async ({ signal }) => {
    const run = await TortureRun.start({ size: "short", seed: SEED, seconds: 60, signal });
    try {
      const { counts, ...found } = await experiment.run(run);
      expect(found).toEqual({ lost: [], leaked: [], broken: [] });
      // An attack that was not made proves nothing.
      expect(Object.values(counts).every((count) => count > 0)).toBe(true);
      expect(Object.keys(counts).length).toBeGreaterThan(0);
    } finally {
      expect(await run.close()).toEqual([]);
    }
  });
});
