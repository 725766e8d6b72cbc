import { PolicyPack } from "@pulumi/policy";
import { readInputs } from "./declared-inputs";
import { imageLimits } from "./image-limits";
import { noPlainSecrets } from "./no-plain-secrets";
import { pinnedBase } from "./pinned-base";
import { pinnedPackages } from "./pinned-packages";
import { toPolicy } from "./rule";
import { sandboxTimeout } from "./sandbox-timeout";

new PolicyPack("opencomputer", {
  enforcementLevel: "mandatory",
  policies: [
    readInputs,
    toPolicy(pinnedBase),
    toPolicy(pinnedPackages),
    toPolicy(noPlainSecrets),
    toPolicy(sandboxTimeout),
    toPolicy(imageLimits),
  ],
});
