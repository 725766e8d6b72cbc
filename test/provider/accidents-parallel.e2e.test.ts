import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { leftBehind } from "./left-behind";
import { PulumiStack, type Run } from "./pulumi-stack";

/** Ten stacks of one program at the same moment against one server, which none of them finds running. */
const STACKS = Array.from({ length: 10 }, (_, index) => `s${index}`);
let stack: PulumiStack;

/** One image is everybody's, the other is the stack's own from its last step on, and so are both names. */
const PROGRAM = `
const name = require("@pulumi/pulumi").getStack();
const shared = Image.base().runCommands("echo shared").runCommands("sleep 3");
const auto = new Snapshot("auto", { image: shared });
new Snapshot("named", { name: "named-" + name, image: shared.runCommands("echo " + name) });
new Sandbox("agent", { snapshot: auto.name, memoryMB: 256 });
`;

beforeAll(() => {
  stack = new PulumiStack();
  stack.program(PROGRAM);
});

afterAll(async () => {
  await stack?.close();
});

async function inAll(...args: string[]): Promise<Run[]> {
  const runs = await Promise.all(STACKS.map((name) => stack.pulumi(...args, "--stack", name)));
  for (const { exitCode, output } of runs) expect(exitCode, output).toBe(0);
  return runs;
}

async function list() {
  const { stdout } = await stack.cli("ls", "--json");
  const { snapshots, sandboxes } = JSON.parse(stdout) as { snapshots: object[]; sandboxes: { status: string }[] };
  return { snapshots: snapshots.length, running: sandboxes.filter(({ status }) => status === "running").length };
}

it("each gets what is its own, and the image of all is built once", async () => {
  await Promise.all(STACKS.map((name) => stack.pulumi("stack", "init", name)));
  await inAll("up", "--yes", "--skip-preview");
  expect(await list()).toEqual({ snapshots: 20, running: 10 });
  // One for the image that all ask for, and one a stack.
  const { stdout } = await stack.cli("ls", "--builds", "--json");
  expect((JSON.parse(stdout) as { builds: object[] }).builds).toHaveLength(11);
  // The base, two shared layers, and one a stack.
  expect(readdirSync(join(stack.home, "layers"))).toHaveLength(13);
});

it("then there is nothing to do", async () => {
  await inAll("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes");
});

it("in the end nothing is left", async () => {
  await inAll("destroy", "--yes", "--skip-preview");
  expect(await list()).toEqual({ snapshots: 0, running: 0 });
  expect((await stack.cli("gc")).exitCode).toBe(0);
  expect(readdirSync(join(stack.home, "layers"))).toHaveLength(1);
  await stack.cli("stop");
  expect(leftBehind(stack.home)).toEqual([]);
});
