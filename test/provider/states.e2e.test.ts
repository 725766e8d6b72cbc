import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PulumiStack, repository } from "./pulumi-stack";

/**
 * States that earlier versions of this package wrote, with the same program: today's must see no change in them. A file here
 * is never edited; a version that writes another form adds one.
 */
const FOLDER = join(repository, "test", "states");
let stack: PulumiStack;

beforeAll(async () => {
  stack = new PulumiStack();
  stack.program(readFileSync(join(FOLDER, "program.js"), "utf8"));
  await stack.pulumi("stack", "init", "dev");
});

afterAll(async () => {
  await stack?.close();
});

describe("a state of an earlier version", () => {
  it.each(readdirSync(FOLDER).filter((name) => name.endsWith(".json")))("%s previews as unchanged", async (name) => {
    const imported = await stack.pulumi("stack", "import", "--file", join(FOLDER, name), "--stack", "dev");
    expect(imported.exitCode, imported.output).toBe(0);
    const preview = await stack.pulumi("preview", "--expect-no-changes", "--diff", "--stack", "dev");
    expect(preview.exitCode, preview.output).toBe(0);
    expect(preview.output).toContain("6 unchanged");
  });
});
