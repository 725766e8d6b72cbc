import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killProcessesOf, LANGUAGE_HOST, PROVIDER, processesOf } from "./left-behind";
import { PulumiStack, type RunningPulumi, succeeded } from "./pulumi-stack";
import { until } from "./until";

/**
 * An update that is interrupted in a step of many seconds: the real CLI, server and engine. A cancelled build ends at once,
 * what passed is kept, and nobody goes on working for a CLI that is gone.
 */
let stack: PulumiStack;

const LONG_SECONDS = 120;
const program = (seconds: number) =>
  `new Snapshot("slow", { image: Image.base().runCommands("echo one").runCommands("sleep ${seconds}") });`;

beforeAll(async () => {
  stack = new PulumiStack();
  stack.program(program(LONG_SECONDS));
  succeeded(await stack.pulumi("stack", "init", "dev"));
});

afterAll(async () => {
  await stack?.close();
});

async function interruptedInStep2(signal: "SIGINT" | "SIGKILL"): Promise<{ run: RunningPulumi; at: number }> {
  const run = stack.start("up", "--yes", "--skip-preview", "--stack", "dev");
  await until("step 2 runs", () => run.printed().includes("step 2/2"), 30_000);
  run.kill(signal);
  return { run, at: Date.now() };
}

/** The provider's processes of this stack. */
const providers = () => processesOf(stack.home, PROVIDER);

const lastBuild = async () => {
  const { stdout } = succeeded(await stack.cli("ls", "--builds", "--json"));
  return JSON.parse(stdout) as unknown;
};

describe("an update that is interrupted", () => {
  it("by Ctrl-C ends its build at once and leaves nothing", async () => {
    const { run, at } = await interruptedInStep2("SIGINT");
    const { output, exitCode } = await run.end;
    expect(exitCode, output).not.toBe(0);
    expect(Date.now() - at).toBeLessThan(15_000);
    expect(output).toContain("the steps that passed are kept");
    expect(JSON.stringify(await lastBuild())).toContain('"cancelled"');
    expect(providers()).toEqual([]);
    const { stdout } = succeeded(await stack.cli("ls", "--json"));
    expect(JSON.parse(stdout)).toMatchObject({ snapshots: [], sandboxes: [] });
  });

  it("by kill -9 ends its build, and then the provider's process", async () => {
    const { run } = await interruptedInStep2("SIGKILL");
    await run.end;
    killProcessesOf(stack.home, LANGUAGE_HOST);
    await until("the build is cancelled", async () => !JSON.stringify(await lastBuild()).includes('"running"'), 15_000);
    await until("the provider is gone", () => providers().length === 0, 15_000);
  });

  it("goes on after the steps that passed", async () => {
    stack.program(program(0));
    await stack.pulumi("cancel", "--yes", "--stack", "dev");
    const { output } = succeeded(await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev"));
    expect(output).toMatch(/built: step 2 took [\d.]+ s, 1 cached/);
    succeeded(await stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev"));
  });
});
