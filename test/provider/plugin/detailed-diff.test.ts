import { describe, expect, it } from "vitest";
import { describeDifferences } from "../../../provider/plugin/detailed-diff";

const run = (command: string) => ({ type: "run", args: { commands: [command] } });
const file = (digest: string, path = "/a") => ({ type: "add_file", args: { path, digest, executable: false } });
const image = (...steps: object[]) => ({ image: { base: "base", steps } });

/** Paths with what happens to them, in the order in which they are told. */
function differences(before: object, after: object, replaces: string[] = []): string[] {
  const found = describeDifferences({ inputs: { ...before }, outs: {} }, { ...after }, replaces);
  return [...found].map(([path, { kind, replaces, inInputs }]) =>
    [kind, path, replaces ? "(replaces)" : "", inInputs ? "" : "(outputs)"].filter(Boolean).join(" "),
  );
}

const cases: [what: string, before: object, after: object, expected: string[]][] = [
  ["nothing", image(run("a")), image(run("a")), []],
  ["a changed step", image(run("a"), run("b")), image(run("a"), run("c")), ["update image.steps[1]"]],
  ["a step put in first", image(run("b"), run("c")), image(run("a"), run("b"), run("c")), ["add image.steps[0]"]],
  ["a step taken out first", image(run("a"), run("b")), image(run("b")), ["delete image.steps[0]"]],
  [
    "one put in, one changed",
    image(run("a"), run("b"), run("z")),
    image(run("x"), run("a"), run("c"), run("z")),
    ["add image.steps[0]", "delete image.steps[1]", "add image.steps[2]"],
  ],
  [
    "two exchanged",
    image(run("a"), run("b")),
    image(run("b"), run("a")),
    ["delete image.steps[0]", "add image.steps[1]"],
  ],
  [
    "only a file's bytes",
    { ...image(file("1")), files: { "/a": "sha256:1" } },
    { ...image(file("2")), files: { "/a": "sha256:2" } },
    ['update files["/a"]'],
  ],
  ["a file's place", image(file("1", "/a")), image(file("1", "/b")), ["update image.steps[0]"]],
  ["memory", { image: { steps: [], builderMemoryMB: 1 } }, { image: { steps: [] } }, ["delete image.builderMemoryMB"]],
  [
    "members of maps",
    { labels: { a: "1", b: "2" } },
    { labels: { a: "3", "c.d": "4" } },
    ["update labels.a", "delete labels.b", 'add labels["c.d"]'],
  ],
  ["an unknown image", image(run("a")), { image: "unknown" }, ["update image"]],
  ["hidden members and summaries", { __a: 1, steps: [1] }, { __a: 2, steps: [2] }, []],
  ["a property", { timeout: 1 }, { timeout: 2, name: "n" }, ["update timeout", "add name"]],
];

describe("describeDifferences", () => {
  it.each(cases)("%s", (_what, before, after, expected) => {
    expect(differences(before, after)).toEqual(expected);
  });

  it("marks what replaces, and all that follows from the image", () => {
    const before = { ...image(run("a")), contentHash: "1", files: {}, labels: { a: "1" } };
    const after = { ...image(run("b")), contentHash: "2", files: { "/x": "y" }, labels: {} };
    expect(differences(before, after, ["contentHash"])).toEqual([
      "update image.steps[0] (replaces)",
      "update contentHash (replaces)",
      'add files["/x"] (replaces)',
      "delete labels.a",
    ]);
  });

  it("tells what moved on the server", () => {
    expect(differences({ contentHash: "1" }, { contentHash: "1" }, ["contentHash"])).toEqual([
      "update contentHash (replaces) (outputs)",
    ]);
  });
});
