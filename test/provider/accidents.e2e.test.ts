import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readServerCard } from "../../src/server/server-card";
import { killProcessesOf, LANGUAGE_HOST, leftBehind, PROVIDER, processesOf } from "./left-behind";
import { PulumiStack, type RunningPulumi, repository, succeeded } from "./pulumi-stack";
import { until, untilPrinted } from "./until";

/**
 * Accidents, one after the other on one stack: the real CLI, server and engine. After each, the next update heals, and then
 * there is nothing to do and nothing too much; in the end nothing is left. A single Ctrl-C is in cancellation.e2e.test.ts;
 * expiry, and a refresh that the server does not answer, are in lifecycle.e2e.test.ts.
 */
let stack: PulumiStack;

const up = ["up", "--yes", "--skip-preview", "--stack", "dev"];

/** Two snapshots of one image, which share its build, and a sandbox. */
const program = (second: string, { more = "", was = [] as string[] } = {}) => {
  const name = (old: string) => (was.includes(old) ? `"new-${old}"` : `"${old}"`);
  const options = (old: string) => (was.includes(old) ? `{ aliases: [{ name: "${old}" }] }` : "{}");
  return `
const image = Image.base().runCommands("echo one").runCommands(${JSON.stringify(second)});
const auto = new Snapshot(${name("auto")}, { image }, ${options("auto")});
new Snapshot(${name("named")}, { name: "named", image }, ${options("named")});
new Sandbox(${name("agent")}, { snapshot: auto.name, memoryMB: 256 }, ${options("agent")});
${more}`;
};

beforeAll(async () => {
  stack = new PulumiStack();
  succeeded(await stack.pulumi("stack", "init", "dev"));
});

afterAll(async () => {
  await stack?.close();
});

async function update(body: string, ...args: string[]): Promise<string> {
  stack.program(body);
  return succeeded(await stack.pulumi(...up, ...args)).output;
}

async function list() {
  const { stdout } = succeeded(await stack.cli("ls", "--json"));
  const { snapshots, sandboxes } = JSON.parse(stdout) as {
    snapshots: { id: string; name: string }[];
    sandboxes: { sandboxID: string; status: string }[];
  };
  const running = sandboxes.filter(({ status }) => status === "running").map(({ sandboxID }) => sandboxID);
  return { snapshots: snapshots.map(({ id }) => id).sort(), running };
}

/** Nothing to do, and as much there as the program says. */
async function expectSettled({ sandboxes = 1 } = {}): Promise<void> {
  succeeded(await stack.pulumi(...up, "--refresh", "--expect-no-changes"));
  const { snapshots, running } = await list();
  expect(snapshots).toHaveLength(2);
  expect(running).toHaveLength(sandboxes);
}

async function exportTo(name: string): Promise<string> {
  const file = join(stack.dir, name);
  succeeded(await stack.pulumi("stack", "export", "--stack", "dev", "--file", file));
  return file;
}

const importFrom = async (file: string) =>
  succeeded(await stack.pulumi("stack", "import", "--stack", "dev", "--file", file));

describe("what was made and never recorded", () => {
  let nothing: string;

  it("is found by the next update, and not made again", async () => {
    nothing = await exportTo("nothing.json");
    await update(program("echo two"));
    const made = await list();
    await importFrom(nothing);
    await update(program("echo two"));
    expect((await list()).snapshots).toEqual(made.snapshots);
    await expectSettled();
  });

  it("so is a changed image", async () => {
    const before = await exportTo("before.json");
    await update(program("echo three"));
    const made = await list();
    await importFrom(before);
    expect(await update(program("echo three"))).not.toContain("built: ");
    expect((await list()).snapshots).toEqual(made.snapshots);
    await expectSettled();
  });

  it("so is a sandbox whose provider died while it got ready", async () => {
    const slow = 'new Sandbox("slow", { snapshot: auto.name, memoryMB: 256, readyCheck: { command: "sleep 5" } });';
    stack.program(program("echo three", { more: slow }));
    const run = stack.start(...up);
    await untilPrinted(run, "waiting until ready");
    killProcessesOf(stack.home, PROVIDER);
    expect((await run.end).exitCode).not.toBe(0);
    expect((await list()).running).toHaveLength(2);
    succeeded(await stack.pulumi(...up));
    await expectSettled({ sandboxes: 2 });
  });
});

/** What happens, how, and what is said of it. */
const ACCIDENTS: [string, (run: RunningPulumi) => unknown, RegExp][] = [
  ["a second Ctrl-C", twice, /terminating/],
  ["kill -9 of the CLI", killCli, /step 2/],
  ["kill -9 of the provider", () => killProcessesOf(stack.home, PROVIDER), /error reading from server: EOF/],
  ["kill -9 of the server", killServer, /connection to .* broke .*\n.*steps that passed are kept/],
];

async function killServer(): Promise<void> {
  const card = await readServerCard(stack.home);
  if (card !== undefined) process.kill(card.pid, "SIGKILL");
}

async function killCli(run: RunningPulumi): Promise<void> {
  run.kill("SIGKILL");
  await run.end;
  killProcessesOf(stack.home, LANGUAGE_HOST);
}

async function twice(run: RunningPulumi): Promise<void> {
  run.kill("SIGINT");
  await sleep(50);
  run.kill("SIGINT");
}

describe("a build that is cut off", () => {
  it.each(ACCIDENTS)("by %s goes on after the steps that passed", async (what, strike, said) => {
    stack.program(program("sleep 100"));
    const run = stack.start(...up);
    await untilPrinted(run, "step 2/2");
    await strike(run);
    const { exitCode, output } = await run.end;
    expect(exitCode).not.toBe(0);
    expect(output).toMatch(said);
    await until("the provider is gone", () => processesOf(stack.home, PROVIDER).length === 0, 20_000);
    await stack.pulumi("cancel", "--yes", "--stack", "dev");
    expect(await update(program(`echo '${what}'`))).toMatch(/built: step 2 took [\d.]+ s, 1 cached/);
    const { stdout } = succeeded(await stack.cli("ls", "--builds", "--json"));
    expect(stdout).toContain('"cancelled"');
    expect(stdout).not.toContain('"running"');
    await expectSettled();
  });

  it("leaves operations pending, and a refresh clears them", async () => {
    const clear = ["refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--expect-no-changes"];
    succeeded(await stack.pulumi(...clear, "--stack", "dev"));
    const { stdout } = succeeded(await stack.pulumi("stack", "export", "--stack", "dev"));
    expect(stdout).not.toContain("pending_operations");
  });
});

describe("a step that fails", () => {
  it("leaves what was there, and its image is built from that step once it is right", async () => {
    await update(program("echo right"));
    const before = await list();
    stack.program(program("echo wrong; exit 3"));
    const run = await stack.pulumi(...up);
    expect(run.exitCode).not.toBe(0);
    expect(run.output).toMatch(/step 2\/2.*exited with code 3\n\s*wrong/);
    expect(await list()).toEqual(before);
    expect(await update(program("echo righted"))).toMatch(/built: step 2 took [\d.]+ s, 1 cached/);
    await expectSettled();
  });
});

describe("what somebody deleted", () => {
  it("is made anew after a refresh", async () => {
    const { running } = await list();
    const { stdout } = succeeded(await stack.cli("ls", "--json"));
    const names = (JSON.parse(stdout) as { snapshots: { name: string }[] }).snapshots.map(({ name }) => name);
    for (const name of [...names, ...running]) succeeded(await stack.cli("rm", name));
    expect(await list()).toEqual({ snapshots: [], running: [] });
    expect(await update(program("echo righted"), "--refresh")).toMatch(/3 created/);
    await expectSettled();
  });
});

describe("what was renamed", () => {
  it("stays as it is where its old name is an alias", async () => {
    const before = await list();
    const renamed = program("echo righted", { was: ["auto", "named", "agent"] });
    expect(await update(renamed, "--refresh", "--expect-no-changes")).toMatch(/4 unchanged/);
    expect(await list()).toEqual(before);
  });
});

describe("a clone that has never run up", () => {
  let clone: PulumiStack;

  beforeAll(() => {
    clone = new PulumiStack({ ...stack.env, PULUMI_HOME: join(stack.dir, "other-pulumi") });
    writeFileSync(join(clone.project, "Pulumi.dev.yaml"), readFileSync(join(stack.project, "Pulumi.dev.yaml"), "utf8"));
  });

  afterAll(() => rmSync(clone.dir, { recursive: true, force: true }));

  it("says what is missing without its packages, and changes nothing", async () => {
    const modules = join(clone.project, "node_modules");
    rmSync(modules);
    mkdirSync(modules);
    symlinkSync(join(repository, "node_modules", "@pulumi"), join(modules, "@pulumi"));
    const before = await exportTo("before-clone.json");
    for (const operation of ["refresh", "destroy"]) {
      const run = await clone.pulumi(operation, "--yes", "--skip-preview", "--stack", "dev");
      expect(run.exitCode, run.output).not.toBe(0);
      expect(run.output).toContain("Cannot find module 'pulumi-opencomputer/provider'");
    }
    expect(resourcesIn(await exportTo("after-clone.json"))).toEqual(resourcesIn(before));
    rmSync(modules, { recursive: true });
    symlinkSync(join(repository, "node_modules"), modules);
  });

  it("destroys, without a program, and leaves nothing", async () => {
    succeeded(await clone.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev"));
    expect(await list()).toEqual({ snapshots: [], running: [] });
    succeeded(await stack.cli("gc"));
    // The base stays.
    expect(readdirSync(join(stack.home, "layers"))).toHaveLength(1);
    succeeded(await stack.cli("stop"));
    expect(leftBehind(stack.home)).toEqual([]);
  });

  const resourcesIn = (file: string) =>
    (
      JSON.parse(readFileSync(file, "utf8")) as { deployment: { resources: { urn: string; id?: string }[] } }
    ).deployment.resources.map(({ urn, id }) => `${urn} ${id}`);
});
