import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { census, leaked } from "../fixtures/census";
import { type RegistryFixture, startRegistryFixture } from "../fixtures/registry";
import { leftBehind } from "./left-behind";
import { PulumiStack, succeeded } from "./pulumi-stack";

/**
 * The main job with the real CLI, the real server and the real engine, in the order in which a user meets it. Packages
 * come from the registry fixture of this machine.
 */
let registry: RegistryFixture;
let stack: PulumiStack;
let before: string[];

const program = (greet: string) => `
const image = Image.base()
  .aptInstall(["oc-hello"])
  .pipInstall([${JSON.stringify(greet)}])
  .addLocalDir("./agent", "/workspace/agent")
  .env({ STAGE: "it's \\"prod\\" $HOME" })
  .workdir("/workspace");
const snapshot = new Snapshot("data-science", { image });
const sandbox = new Sandbox("agent", { snapshot: snapshot.name, timeout: 3600, envs: { EXTRA: "1" } });
exports.snapshotName = snapshot.name;
exports.contentHash = snapshot.contentHash;
exports.sandboxId = sandbox.sandboxId;
`;

beforeAll(async () => {
  before = census();
  registry = await startRegistryFixture();
  stack = new PulumiStack({
    OPENCOMPUTER_APT_SOURCES: registry.aptSourcesFile,
    PIP_INDEX_URL: registry.pipIndexUrl,
    PIP_TRUSTED_HOST: new URL(registry.pipIndexUrl).hostname,
  });
  stack.file("agent/tool.sh", '#!/bin/sh\necho "tool says $1 in $STAGE"\n');
  stack.program(program("oc-greet==1.0"));
  succeeded(await stack.pulumi("stack", "init", "dev"));
});

afterAll(async () => {
  await stack?.close();
  await registry?.close();
});

const inSandbox = async (command: string) => {
  const { sandboxId } = await stack.outputs();
  return succeeded(await stack.cli("exec", String(sandboxId), "--", "sh", "-c", command)).stdout.trim();
};

describe("from nothing to a sandbox and back", () => {
  it("previews name, hash and steps before anything exists", async () => {
    const { output } = succeeded(await stack.pulumi("preview", "--stack", "dev", "--diff"));
    expect(output).toMatch(/contentHash\s*:\s*"[0-9a-f]{64}"/);
    expect(output).toContain("apt_install oc-hello");
    expect(output).toMatch(/name\s*:\s*"data-science-[0-9a-f]{7}"/);
  });

  it("builds, checkpoints and starts", async () => {
    const { output } = succeeded(await stack.pulumi("up", "--yes", "--stack", "dev"));
    expect(output).toContain("3 created");
    expect(
      await inSandbox("sh agent/tool.sh hello; oc-hello; python3 -c 'import oc_greet'; echo $EXTRA; id -un; pwd"),
    ).toBe(['tool says hello in it\'s "prod" $HOME', "hello from deb 2.0", "1", "sandbox", "/workspace"].join("\n"));
  });

  it("has nothing to do for the same program", async () => {
    succeeded(await stack.pulumi("preview", "--stack", "dev", "--expect-no-changes"));
    succeeded(await stack.pulumi("up", "--yes", "--stack", "dev", "--refresh", "--expect-no-changes"));
  });

  it("says which step a change will rebuild from, and replaces", async () => {
    stack.program(program("oc-greet==1.1"));
    const { output } = succeeded(await stack.pulumi("preview", "--stack", "dev", "--diff"));
    expect(output).toContain("rebuild from step 2 of 5: pip_install +oc-greet==1.1 -oc-greet==1.0 (1 cached)");
    expect(output).toMatch(/summary\s*: "pip_install oc-greet==1.0" => "pip_install oc-greet==1.1"/);
    const { stdout } = succeeded(await stack.pulumi("preview", "--stack", "dev", "--json"));
    const steps = (JSON.parse(stdout) as { steps: { op: string; urn: string }[] }).steps;
    expect(steps.filter((step) => step.op === "replace").map((step) => step.urn.split("::").pop())).toEqual([
      "data-science",
      "agent",
    ]);
  });

  it("builds only from that step", async () => {
    const before = await stack.outputs();
    succeeded(await stack.pulumi("up", "--yes", "--stack", "dev"));
    const after = await stack.outputs();
    expect(after["snapshotName"]).not.toBe(before["snapshotName"]);
    const log = succeeded(await stack.cli("logs", String(after["snapshotName"]))).output;
    expect(log).toMatch(/step 1\/5.*cached/);
    expect(log).not.toMatch(/step 2\/5.*cached/);
    expect(await inSandbox("python3 -c 'import importlib.metadata as m; print(m.version(\"oc-greet\"))'")).toBe("1.1");
  });

  it("notices what was deleted behind its back, and heals", async () => {
    const { sandboxId } = await stack.outputs();
    succeeded(await stack.cli("rm", String(sandboxId)));
    const { output } = succeeded(await stack.pulumi("up", "--yes", "--stack", "dev", "--refresh"));
    expect(output).toContain("1 created");
    expect((await stack.outputs())["sandboxId"]).not.toBe(sandboxId);
  });

  it("keeps neither bytes, nor paths of this machine, nor keys in the state", async () => {
    const { stdout } = succeeded(await stack.pulumi("stack", "export", "--stack", "dev"));
    for (const secret of ["osb_", stack.dir, "tool says"]) expect(stdout).not.toContain(secret);
  });

  it("leaves nothing behind", async () => {
    succeeded(await stack.pulumi("destroy", "--yes", "--stack", "dev"));
    const { stdout } = succeeded(await stack.cli("ls", "--json"));
    expect(JSON.parse(stdout)).toMatchObject({ snapshots: [], sandboxes: [] });
    const held = leaked(before, census()).filter((line) => /^(mount .*\/merged|merged|cgroup|runtime.*sb-)/.test(line));
    expect(held).toEqual([]);
    // What is left is the server, which waits for the next program, and the networks that it keeps ready.
    succeeded(await stack.cli("stop"));
    expect(leaked(before, census())).toEqual([]);
  });
});

describe("secrets of the program", () => {
  it("stay secret in plan, log and state", async () => {
    stack.program(`
const token = require("@pulumi/pulumi").secret("s3cr3t-token");
const image = token.apply((t) => Image.base().env({ TOKEN: t }).runCommands("test " + t + " = $TOKEN"));
const snapshot = new Snapshot("secret", { image });
new Sandbox("secret", { snapshot: snapshot.name, envs: { KEY: token } });
`);
    const runs = [
      await stack.pulumi("preview", "--stack", "dev", "--diff"),
      await stack.pulumi("up", "--yes", "--stack", "dev"),
      await stack.pulumi("up", "--yes", "--stack", "dev", "--refresh", "--expect-no-changes"),
      await stack.pulumi("stack", "export", "--stack", "dev"),
      await stack.pulumi("destroy", "--yes", "--stack", "dev"),
    ];
    for (const run of runs) expect(succeeded(run).output).not.toContain("s3cr3t-token");
    expect(runs[0]?.output).toContain("[secret]");
  });
});

describe("a checkpoint of a sandbox", () => {
  const moments = (trigger: string, copy = 'checkpoint: kept.id, envs: { B: "2" }') => `
const snapshot = new Snapshot("moments", { image: Image.base().env({ A: "1" }).workdir("/workspace") });
const sandbox = new Sandbox("prepared", {
  snapshot: snapshot.ref, timeout: 600,
  readyCheck: { command: "echo prepared > /workspace/state" },
});
const kept = new Checkpoint("kept", { sandbox: sandbox.id, triggers: ["${trigger}"] });
const copy = new Sandbox("copy", { ${copy}, readyCheck: { command: "test -e /workspace/state" } });
exports.prepared = sandbox.sandboxId;
exports.checkpointId = kept.checkpointId;
exports.checkpoint = kept.name;
exports.sandboxId = copy.sandboxId;
`;
  const up = async (program: string, ...args: string[]) => {
    stack.program(program);
    return succeeded(await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", ...args)).output;
  };

  it("is what another sandbox starts with, and a preview knows its name", async () => {
    stack.program(moments("1"));
    const preview = succeeded(await stack.pulumi("preview", "--stack", "dev", "--diff"));
    expect(preview.output).toMatch(/name\s*: "kept-[0-9a-f]{7}"/);
    expect(await up(moments("1"))).toContain("5 created");
    expect(await inSandbox("cat state; echo $A $B; pwd")).toBe("prepared\n1 2\n/workspace");
    await up(moments("1"), "--refresh", "--expect-no-changes");
  });

  it("is another one for another trigger, and what stands on it follows", async () => {
    const first = await stack.outputs();
    succeeded(await stack.cli("exec", String(first["prepared"]), "--", "sh", "-c", "echo later > /workspace/state"));
    expect(await up(moments("2"))).toContain("2 replaced");
    const second = await stack.outputs();
    expect(second).toMatchObject({ prepared: first["prepared"] });
    // Under another name: the old one stood until the new one did.
    for (const output of ["checkpointId", "checkpoint"]) expect(second[output]).not.toBe(first[output]);
    expect(await inSandbox("cat state")).toBe("later");
    const { stdout } = succeeded(await stack.cli("checkpoints", String(second["prepared"]), "--json"));
    expect(JSON.parse(stdout)).toMatchObject([{ id: second["checkpointId"], status: "ready" }]);
  });

  it("is kept while the sandbox sleeps, which no plan minds", async () => {
    const { prepared, sandboxId } = await stack.outputs();
    for (const id of [prepared, sandboxId]) succeeded(await stack.cli("hibernate", String(id)));
    succeeded(await stack.pulumi("refresh", "--preview-only", "--expect-no-changes", "--stack", "dev"));
    succeeded(await stack.pulumi("refresh", "--yes", "--stack", "dev"));
    succeeded(await stack.pulumi("preview", "--stack", "dev", "--expect-no-changes"));
    expect(await inSandbox("cat state")).toBe("later");
    expect(await up(moments("3"))).toContain("2 replaced");
  });

  it("is made anew where somebody deleted it, and stands no second origin beside it", async () => {
    const { prepared, checkpointId } = await stack.outputs();
    stack.program(moments("3", "checkpoint: kept.id, snapshot: snapshot.ref"));
    const refused = await stack.pulumi("preview", "--stack", "dev");
    expect(refused.output).toContain("cannot stand beside snapshot");
    succeeded(await stack.cli("rm", `${prepared}/${checkpointId}`));
    expect(await up(moments("3"), "--refresh")).toMatch(/1 created.*1 replaced/s);
    expect((await stack.outputs())["prepared"]).toBe(prepared);
  });

  it("leaves nothing behind", async () => {
    const { prepared } = await stack.outputs();
    succeeded(await stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev"));
    const { stdout } = succeeded(await stack.cli("ls", "--json"));
    expect(JSON.parse(stdout)).toMatchObject({ snapshots: [], sandboxes: [] });
    const left = succeeded(await stack.cli("checkpoints", String(prepared), "--json")).stdout;
    expect(JSON.parse(left)).toEqual([]);
    succeeded(await stack.cli("stop"));
    expect(leftBehind(stack.home)).toEqual([]);
  });
});

describe("what goes wrong", () => {
  it("a failing command fails the update with its last lines, and nothing half-built is visible", async () => {
    stack.program(
      `new Snapshot("broken", { image: Image.base().runCommands("echo before", "echo oops >&2; exit 3") });`,
    );
    const run = await stack.pulumi("up", "--yes", "--stack", "dev");
    expect(run.exitCode).not.toBe(0);
    expect(run.output).toMatch(/step 1\/1.*exit(ed)?.*3/s);
    expect(run.output).toContain("oops");
    const { stdout } = succeeded(await stack.cli("ls", "--json"));
    expect(JSON.parse(stdout)).toMatchObject({ snapshots: [], sandboxes: [] });
  });

  it("a wrong program fails in the preview, with every problem", async () => {
    stack.program(
      `new Snapshot("wrong", { image: Image.base().aptInstall([""]).workdir("x").addLocalFile("./gone", "/y") });`,
    );
    const run = await stack.pulumi("preview", "--stack", "dev");
    expect(run.exitCode).not.toBe(0);
    expect(run.output).not.toMatch(/^\s+at /m);
    for (const part of ["steps[0].args.packages[0]", "steps[1].args.path", "steps[2]", "./gone does not exist"]) {
      expect(run.output).toContain(part);
    }
  });
});
