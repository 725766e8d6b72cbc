import { expect, test } from "vitest";
import { explainFailure } from "../../tools/quickstart.mjs";

const canceled = '{"diagnosticEvent":{"prefix":"error: ","message":"update canceled\\n","severity":"error"}}';
const locked = "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or …";

test.each([
  ["", canceled, "canceled"],
  [locked, "", "locked"],
  ["error: getting stack configuration: get stack secrets manager: incorrect passphrase", "", "passphrase"],
  ["error: get stack secrets manager: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or …", "", "passphrase"],
  ["error: update failed", '{"diagnosticEvent":{"message":"update failed"}}', "failed"],
  ["", "", "failed"],
])("%s %s", (said, events, ending) => {
  expect(explainFailure(said, events)).toBe(ending);
});
