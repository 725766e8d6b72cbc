import { afterAll, beforeAll, describe } from "vitest";
import { type RegistryFixture, startRegistryFixture } from "../../fixtures/registry";
import { engineSuite } from "../engine-suite";
import { hostLaws } from "./host-laws";
import { LocalUnderTest, toEngineUnderTest } from "./local-under-test";

let registry: RegistryFixture;
beforeAll(async () => {
  registry = await startRegistryFixture();
});
afterAll(async () => {
  await registry.close();
});

describe.each(["runc", "runsc"] as const)("local engine on %s", (runtime) => {
  const local = new LocalUnderTest(runtime, () => registry);
  afterAll(() => local.dispose());
  engineSuite("suite", toEngineUnderTest(local));
  hostLaws(local, () => registry);
});
