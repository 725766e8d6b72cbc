import { afterAll, beforeAll, describe } from "vitest";
import { type Outside, startOutside } from "../../fixtures/outside";
import { type RegistryFixture, startRegistryFixture } from "../../fixtures/registry";
import { engineSuite } from "../engine-suite";
import { crashLaws } from "./crash-laws";
import { downloadLaws } from "./download-laws";
import { escapeLaws } from "./escape-laws";
import { hostLaws } from "./host-laws";
import { LocalUnderTest, toEngineUnderTest } from "./local-under-test";

let registry: RegistryFixture;
let outside: Outside;
beforeAll(async () => {
  registry = await startRegistryFixture();
  outside = await startOutside();
});
afterAll(async () => {
  await outside.close();
  await registry.close();
});

describe.each(["runc", "runsc"] as const)("local engine on %s", (runtime) => {
  const local = new LocalUnderTest(
    runtime,
    () => registry,
    () => outside,
  );
  afterAll(() => local.dispose());
  engineSuite("suite", toEngineUnderTest(local));
  hostLaws(local, () => registry);
  crashLaws(local);
  downloadLaws(local);
  escapeLaws(local);
});
