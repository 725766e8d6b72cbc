import { describe, expect, it } from "vitest";
import { describeRebuild } from "../../provider/rebuild";

type Step = [op: string, what: string, digest: string];
const described = (steps: Step[], files: Record<string, string> = {}) => ({
  steps: steps.map(([op, what, digest]) => ({ op, summary: `${op} ${what}`, digest })),
  files,
});
const APT: Step = ["apt_install", "jq", "a"];
const dir = (digest: string): Step => ["add_dir", "/app (2 files)", digest];

describe("the rebuild line", () => {
  const table: [string, ReturnType<typeof described>, ReturnType<typeof described>, string | undefined][] = [
    [
      "packages that came and went",
      described([APT, ["pip_install", "pandas polars==1.8", "b"]]),
      described([APT, ["pip_install", "pandas polars==1.9", "c"]]),
      "rebuild from step 2 of 2: pip_install +polars==1.9 -polars==1.8 (1 cached)",
    ],
    [
      "an order that changed",
      described([["apt_install", "jq git", "a"]]),
      described([["apt_install", "git jq", "b"]]),
      "rebuild from step 1 of 1: apt_install git jq (0 cached)",
    ],
    [
      "a value that is not shown",
      described([["env", "STAGE", "a"]]),
      described([["env", "STAGE", "b"]]),
      "rebuild from step 1 of 1: env STAGE (a value changed) (0 cached)",
    ],
    [
      "the file that changed",
      described([APT, dir("b")], { "/app/a.py": "1", "/app/b.py": "1", "/application": "1" }),
      described([APT, dir("c")], { "/app/a.py": "2", "/app/b.py": "1", "/application": "2" }),
      "rebuild from step 2 of 2: add_dir /app/a.py (1 cached)",
    ],
    [
      "files that came and went",
      described([dir("b")], { "/app/a": "1", "/app/b": "1", "/app/c": "1", "/app/d": "1" }),
      described([dir("c")], { "/app/e": "1" }),
      "rebuild from step 1 of 1: add_dir -/app/a -/app/b -/app/c and 2 more (0 cached)",
    ],
    [
      "a mode",
      described([["add_file", "/key", "a"]], { "/key": "1" }),
      described([["add_file", "/key", "b"]], { "/key": "1" }),
      "rebuild from step 1 of 1: add_file /key (what is not shown of the files changed) (0 cached)",
    ],
    [
      "another kind of step",
      described([APT]),
      described([["run", "make", "b"], APT]),
      "rebuild from step 1 of 2: run make (0 cached)",
    ],
    [
      "a new last step",
      described([APT]),
      described([APT, ["run", "make", "b"]]),
      "rebuild from step 2 of 2: run make (1 cached)",
    ],
    [
      "a step less",
      described([APT, ["run", "make", "b"]]),
      described([APT]),
      "rebuild: the last step is gone, 1 cached",
    ],
    ["nothing", described([APT]), described([APT]), undefined],
  ];
  it.each(table)("names %s", (_what, olds, news, line) => expect(describeRebuild(olds, news, false)).toBe(line));

  it("counts steps and tells none where the image holds a secret", () => {
    const line = describeRebuild(described([APT]), described([["apt_install", "secret", "b"]]), true);
    expect(line).toBe("rebuild from step 1 of 1 (0 cached)");
  });

  it("says nothing where either side is not known", () => {
    expect(describeRebuild({}, described([APT]), false)).toBeUndefined();
    expect(describeRebuild(described([APT]), { steps: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" }, false)).toBeUndefined();
  });
});
