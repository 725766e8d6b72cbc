import { afterAll, beforeAll, describe, expect } from "vitest";
import { buildLaws } from "./suite/build-laws";
import { checkpointLaws } from "./suite/checkpoint-laws";
import type { EngineUnderTest } from "./suite/engine-under-test";
import { execLaws } from "./suite/exec-laws";
import { fileLaws } from "./suite/file-laws";
import { forkLaws } from "./suite/fork-laws";
import { hibernateLaws } from "./suite/hibernate-laws";
import { hogLaws } from "./suite/hog-laws";
import { linkLaws } from "./suite/link-laws";
import { networkLaws } from "./suite/network-laws";
import { packageLaws } from "./suite/package-laws";
import { quotaLaws } from "./suite/quota-laws";
import { restartLaws } from "./suite/restart-laws";
import { sandboxLaws } from "./suite/sandbox-laws";
import { sharedStepLaws } from "./suite/shared-step-laws";
import { startCommandLaws } from "./suite/start-command-laws";

/** What every engine must do. Whatever it held of the machine before, it holds afterwards, and no more. */
export function engineSuite(name: string, under: EngineUnderTest): void {
  describe(name, () => {
    let before: string[];
    beforeAll(() => {
      before = under.holdings();
    });
    buildLaws(under);
    sharedStepLaws(under);
    packageLaws(under);
    execLaws(under);
    fileLaws(under);
    linkLaws(under);
    sandboxLaws(under);
    quotaLaws(under);
    hogLaws(under);
    networkLaws(under);
    restartLaws(under);
    checkpointLaws(under);
    hibernateLaws(under);
    if (under.keepsMemory) forkLaws(under);
    startCommandLaws(under);
    afterAll(() => {
      expect(under.holdings()).toEqual(before);
    });
  });
}
