import type { Step } from "./declared-inputs";
import type { Rule } from "./rule";

/** One version of a Python package: `name==1.2.3`, `name @ https://…#sha256=…`, `git+https://…@<commit>`. */
const PINNED_PIP = /===?\s*[^\s*,;]+\s*($|;)|#sha256=[0-9a-f]{64}\b|^git\+https:\/\/\S+@[0-9a-f]{40}\b/;
/** One version of a system package: `jq=1.6-2.1`. */
const PINNED_APT = /=[^=]+$/;

/** The same program must give the same image next year. Distributions drop old versions, so apt is left free by default. */
export const pinnedPackages: Rule<{ pip?: boolean; apt?: boolean }> = {
  name: "pinned-packages",
  description: "Packages that an image installs have versions.",
  configSchema: { properties: { pip: { type: "boolean", default: true }, apt: { type: "boolean", default: false } } },
  check({ image }, { pip = true, apt = false }) {
    const steps = image?.steps ?? [];
    return [
      ...(pip ? unpinned(steps, "pip_install", PINNED_PIP, "name==1.2.3") : []),
      ...(apt ? unpinned(steps, "apt_install", PINNED_APT, "name=1.2-3") : []),
    ];
  },
};

function unpinned(steps: readonly Step[], type: string, pinned: RegExp, example: string): string[] {
  const packages = steps.filter((step) => step.type === type).flatMap(({ args }) => args["packages"]);
  const loose = packages.filter((one) => typeof one === "string" && !pinned.test(one));
  return loose.length === 0 ? [] : [`${type} without a version: ${loose.join(", ")}; write ${example}`];
}
