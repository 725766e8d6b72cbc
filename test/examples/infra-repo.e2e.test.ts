import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { census, leaked } from "../fixtures/census";
import { PulumiStack, repository, succeeded } from "../provider/pulumi-stack";

/**
 * The example as a team uses it, in a copy: the commands of its README and of its pipelines, in their order. The stack dev
 * installs no packages, and prod is only previewed, so no registry is asked.
 */
let stack: PulumiStack;
let before: string[];

const withPolicies = ["--policy-pack", "policy", "--policy-pack-config", join("policy", "prod.json")];
const driftCheck = ["refresh", "--preview-only", "--expect-no-changes", "--diff"];

beforeAll(() => {
  before = census();
  stack = new PulumiStack({ PULUMI_CONFIG_PASSPHRASE: "not-a-secret" });
  cpSync(join(repository, "examples", "infra-repo"), stack.project, { recursive: true });
  runPoliciesWithNode();
});

afterAll(async () => {
  await stack?.close();
});

/**
 * The language host that is built from Go modules is too old to run policy packs. For a runtime without a language host
 * the CLI asks a program of this name, which runs the same pack with the same SDK.
 */
function runPoliciesWithNode(): void {
  const bin = join(stack.dir, "bin");
  mkdirSync(bin);
  const text = '#!/bin/sh\nexec node "$(node -p \'require.resolve("@pulumi/pulumi/cmd/run-policy-pack")\')" "$@"\n';
  writeFileSync(join(bin, "pulumi-analyzer-policy-node"), text, { mode: 0o755 });
  stack.env["PATH"] = `${bin}:${stack.env["PATH"]}`;
  edit(join("policy", "PulumiPolicy.yaml"), "runtime: nodejs", "runtime: node");
}

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(join(stack.project, path), "utf8");
  expect(text).toContain(from);
  stack.file(path, text.replace(from, to));
}

describe("the stack of a developer", () => {
  it("is there with its committed configuration, and a preview keeps to the policies", async () => {
    succeeded(await stack.pulumi("stack", "init", "dev"));
    const { output } = succeeded(await stack.pulumi("preview", "--stack", "dev", ...withPolicies));
    expect(output).toMatch(/Policies:\s+✅ opencomputer@v1.0.0/);
    expect(output).toContain("3 to create");
    expect(existsSync(stack.home), "a preview starts no server").toBe(false);
  });

  it("comes up, and the agent runs", async () => {
    succeeded(await stack.pulumi("up", "--yes", "--refresh", "--stack", "dev", ...withPolicies));
    const { sandboxId } = await stack.outputs();
    const { stdout } = succeeded(await stack.cli("exec", String(sandboxId), "--", "python3 agent/main.py"));
    expect(stdout).toBe("stage dev, with a token, 2 prompts: research, summary");
  });

  it("keeps the token out of plan and state", async () => {
    const { stdout } = succeeded(await stack.pulumi("stack", "export", "--stack", "dev"));
    expect(stdout).not.toContain("throw-away-token");
  });

  it("has neither changes nor drift", async () => {
    succeeded(await stack.pulumi("preview", "--stack", "dev", "--expect-no-changes"));
    succeeded(await stack.pulumi(...driftCheck, "--stack", "dev"));
  });

  it("takes a merged change as the next version of its snapshot, and starts a new sandbox from that", async () => {
    const old = await stack.outputs();
    stack.file("agent/prompts/review.md", "Check every claim against its source.\n");
    const { output } = succeeded(await stack.pulumi("up", "--yes", "--refresh", "--stack", "dev", ...withPolicies));
    expect(output).toMatch(/1 updated\s+\+-1 replaced/);
    const { sandboxId, snapshotName } = await stack.outputs();
    expect([snapshotName, sandboxId === old["sandboxId"]]).toEqual(["research-agent-dev", false]);
    const { stdout } = succeeded(await stack.cli("exec", String(sandboxId), "--", "python3 agent/main.py"));
    expect(stdout).toContain("3 prompts: research, review, summary");
    const versions = succeeded(await stack.cli("versions", String(snapshotName), "--json")).stdout;
    expect(JSON.parse(versions)).toMatchObject([{ version: 2, current: true }, { version: 1 }]);
  });

  it("has drifted when its sandbox is gone, and comes up again", async () => {
    const { sandboxId } = await stack.outputs();
    succeeded(await stack.cli("rm", String(sandboxId)));
    const run = await stack.pulumi(...driftCheck, "--stack", "dev");
    expect(run.exitCode, run.output).not.toBe(0);
    expect(run.output).toContain("no changes were expected");
    const { output } = succeeded(await stack.pulumi("up", "--yes", "--refresh", "--stack", "dev", ...withPolicies));
    expect(output).toContain("1 created");
  });
});

describe("policies", () => {
  it("stop what breaks them, each with what to do", async () => {
    const program = readFileSync(join(stack.project, "index.ts"), "utf8");
    edit("index.ts", 'config.requireSecret("agentToken")', '"plain"');
    edit("index.ts", ".env({ STAGE: stage })", '.env({ STAGE: stage, API_KEY: "plain" }).pipInstall(["httpx"])');
    edit("index.ts", 'config.requireNumber("idleSeconds")', "0");
    const run = await stack.pulumi("up", "--yes", "--stack", "dev", ...withPolicies);
    stack.file("index.ts", program);
    expect(run.exitCode, run.output).not.toBe(0);
    for (const message of [
      "envs.AGENT_TOKEN is not secret",
      "the image sets API_KEY",
      "httpx; write",
      "never sleeps",
    ]) {
      expect(run.output).toContain(message);
    }
  });

  it("take levels and limits from a file, and cannot be blinded by one", async () => {
    stack.file("lenient.json", '{ "image-limits": { "enforcementLevel": "advisory", "maxSteps": 1 } }');
    stack.file("blind.json", '{ "all": "mandatory" }');
    const preview = (config: string) =>
      stack.pulumi("preview", "--stack", "dev", "--policy-pack", "policy", "--policy-pack-config", config);
    expect(succeeded(await preview("lenient.json")).output).toMatch(/\[advisory\]\s+image-limits/);
    const blind = await preview("blind.json");
    expect(blind.exitCode, blind.output).not.toBe(0);
    expect(blind.output).toContain("leave the policy read-inputs at its level");
  });
});

describe("policies and the native plugin", () => {
  const native = `import * as pulumi from "@pulumi/pulumi";
class Native extends pulumi.CustomResource {
  constructor(kind: string, inputs: pulumi.Inputs) { super(\`opencomputer:index:\${kind}\`, "native", inputs); }
}
new Native("Snapshot", { image: { steps: [{ type: "pip_install", args: { packages: ["httpx"] } }] } });
new Native("Sandbox", { envs: { API_KEY: pulumi.secret("hidden"), DB_PASSWORD: "plain" }, timeout: 60 });
`;

  it("judge its resources, too", async () => {
    const program = readFileSync(join(stack.project, "index.ts"), "utf8");
    const plugin = "pulumi-resource-opencomputer";
    symlinkSync(join(repository, "provider", "plugin", "bin", plugin), join(stack.dir, "bin", plugin));
    stack.file("index.ts", native);
    const run = await stack.pulumi("preview", "--stack", "dev", ...withPolicies);
    stack.file("index.ts", program);
    expect(run.exitCode, run.output).not.toBe(0);
    expect(run.output).toContain("httpx; write");
    expect(run.output).toContain("envs.DB_PASSWORD is not secret");
    expect(run.output).not.toContain("envs.API_KEY");
  });
});

describe("the stack of production", () => {
  it("previews without its server and without its key, as on a pull request", async () => {
    succeeded(await stack.pulumi("stack", "init", "prod"));
    succeeded(await stack.pulumi("config", "set", "--secret", "agentToken", "another-token", "--stack", "prod"));
    const args = ["preview", "--stack", "prod", "--diff", "--suppress-progress", ...withPolicies];
    const { output } = succeeded(await stack.pulumi(...args));
    expect(output).toContain("pip_install httpx==0.28.1 pydantic==2.11.7");
    expect(output).toMatch(/Policy Packs run:\s+Name\s+Version\s+opencomputer/);
    expect(output).not.toContain("another-token");
  });
});

it("leaves nothing behind", async () => {
  succeeded(await stack.pulumi("destroy", "--yes", "--stack", "dev"));
  const { stdout } = succeeded(await stack.cli("ls", "--json"));
  expect(JSON.parse(stdout)).toMatchObject({ snapshots: [], sandboxes: [] });
  succeeded(await stack.cli("stop"));
  expect(leaked(before, census())).toEqual([]);
});
