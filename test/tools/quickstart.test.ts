import { expect, test } from "vitest";
import { explainFailure } from "../../tools/quickstart.mjs";

test.each([
  ["error: update canceled", "canceled"],
  ["error: refresh canceled\n", "canceled"],
  ["error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or …", "locked"],
  ["error: update failed", "failed"],
  ["", "failed"],
])("%s", (said, ending) => {
  expect(explainFailure(said)).toBe(ending);
});
