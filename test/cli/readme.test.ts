import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runCommandLine } from "./fake-terminal";

const README = readFileSync(join(__dirname, "..", "..", "README.md"), "utf8");

it("the README tells of every command that the help has, and of no other", async () => {
  const { stdout } = await runCommandLine(["--help"]);
  const helped = [...stdout.matchAll(/^ {2}([a-z]+) .*\[options\]/gm)].map(([, name]) => name);
  const section = /^## The command\n(.*?)^## /ms.exec(README)?.[1] ?? "";
  const told = [...section.matchAll(/^npx pulumi-opencomputer ([a-z]+)/gm)].map(([, name]) => name);
  expect(helped).toContain("ls");
  expect([...told].sort()).toEqual([...helped].sort());
});
