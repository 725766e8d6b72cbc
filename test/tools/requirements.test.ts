import { describe, expect, test } from "vitest";
import { describeMissing } from "../../tools/provide.mjs";
import { REQUIREMENTS } from "../../tools/requirement-table.mjs";
import { checkRequirements, purposeOf } from "../../tools/requirements.mjs";

test("names are unique", () => {
  const names = REQUIREMENTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test("every requirement says what for and how to get it", () => {
  for (const { name, what, hint } of REQUIREMENTS)
    expect([name, what, hint].every((text) => text.length > 0)).toBe(true);
});

test("what a local engine needs the tests need too, and another server needs less", () => {
  const neededFor = (purpose: "local" | "remote" | "test") =>
    REQUIREMENTS.filter((requirement) => requirement.neededFor.includes(purpose)).map(({ name }) => name);
  expect(neededFor("test")).toEqual(expect.arrayContaining(neededFor("local")));
  expect(neededFor("test")).toEqual(expect.arrayContaining(["runc", "runsc"]));
  expect(neededFor("local")).toEqual(expect.arrayContaining(neededFor("remote")));
  expect(neededFor("remote")).not.toContain("root");
});

test("checks answer for every requirement and find the Node.js that runs them", async () => {
  const checked = await checkRequirements("remote");
  expect(checked.map(({ name }) => name)).toEqual(REQUIREMENTS.map(({ name }) => name));
  expect(checked[0]).toMatchObject({ name: "Node.js", ok: true, required: true });
});

describe("purposeOf", () => {
  test.each([
    [{}, "local"],
    [{ OPENCOMPUTER_API_URL: "https://oc.example" }, "remote"],
    [{ OPENCOMPUTER_API_KEY: "key" }, "remote"],
    [{ OPENCOMPUTER_API_URL: "" }, "local"],
  ])("%j: %s", (env, purpose) => {
    expect(purposeOf(env)).toBe(purpose);
  });
});

test("one message names all that is missing, what for and how to get it", () => {
  const missing = REQUIREMENTS.filter(({ name }) => name === "nft" || name === "root");
  expect(describeMissing(missing)).toBe(
    [
      "This machine lacks root, nft:",
      '  root (the local engine mounts file systems and makes networks): run the command with `sudo -E env "PATH=$PATH"` before it, or point OPENCOMPUTER_API_URL to a server',
      "  nft (keeps sandboxes out of the host's networks): install nftables with your package manager",
    ].join("\n"),
  );
});

test("a clone is told that npm start gets what it needs, and nothing of the rest", async () => {
  const hints = new Map((await checkRequirements("remote")).map(({ name, hint }) => [name, hint]));
  expect(hints.get("Pulumi CLI")).toMatch(/^npm start gets it; /);
  expect(hints.get("Node.js")).not.toContain("npm start");
  expect(hints.get("runsc")).not.toContain("npm start");
});
