import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { census, leaked } from "../../fixtures/census";
import { PulumiStack, succeeded } from "../pulumi-stack";
import { untilPrinted } from "../until";

/** The native plugin with the real CLI, server and engine, in the order in which a user meets it. */
let stack: PulumiStack;
let before: string[];

const PROJECT = `name: e2e
runtime: nodejs
plugins:
  providers:
    - name: opencomputer
      path: node_modules/pulumi-opencomputer/provider/plugin/bin
`;

/** Any language's SDK comes down to this: a type token and inputs. */
const RESOURCES = `
const pulumi = require("@pulumi/pulumi");
const native = (type, outputs) => class extends pulumi.CustomResource {
  constructor(name, args, options) {
    super("opencomputer:index:" + type, name, { ...Object.fromEntries(outputs.map((key) => [key, undefined])), ...args }, options);
  }
};
const NativeSnapshot = native("Snapshot", ["name", "ref", "contentHash", "record"]);
const NativeSandbox = native("Sandbox", ["sandboxId", "status"]);
`;

const program = (command: string) => `${RESOURCES}
const snapshot = new NativeSnapshot("agent", { name: "agent", image: { steps: [
  { type: "run", args: { commands: ["echo one"] } },
  { type: "run", args: { commands: [${JSON.stringify(command)}] } },
  { type: "add_local_dir", args: { localPath: "./agent", path: "/workspace/agent" } },
] } });
const sandbox = new NativeSandbox("agent", { snapshot: snapshot.ref, timeout: 3600, envs: { KEY: pulumi.secret("s3cr3t") } });
exports.ref = snapshot.ref;
exports.version = snapshot.record.apply((record) => record && record.version);
exports.sandboxId = sandbox.sandboxId;
exports.found = pulumi.runtime.invoke("opencomputer:index:listSnapshots", {}).then(({ snapshots }) => snapshots.length);
`;

beforeAll(async () => {
  before = census();
  stack = new PulumiStack();
  stack.file("Pulumi.yaml", PROJECT);
  stack.file("agent/tool.sh", "echo tool 1\n");
  stack.program(program("echo two"));
  succeeded(await stack.pulumi("stack", "init", "dev"));
});
afterAll(async () => {
  await stack?.close();
});

interface Plan {
  readonly steps: readonly {
    readonly op: string;
    readonly urn: string;
    readonly detailedDiff?: Readonly<Record<string, { readonly kind: string }>>;
  }[];
}

const inSandbox = async (command: string) => {
  const { sandboxId } = await stack.outputs();
  return succeeded(await stack.cli("exec", String(sandboxId), "--", "sh", "-c", command)).stdout.trim();
};

describe("from nothing to a sandbox and back", () => {
  it("builds, with the build on the resource's row, and starts", async () => {
    const { output } = succeeded(await stack.pulumi("up", "--yes", "--stack", "dev"));
    expect(output).toMatch(/opencomputer:index:Snapshot agent creating \(\d+s\) .*step 1\/3/);
    expect(await inSandbox("sh /workspace/agent/tool.sh; echo $KEY")).toBe("tool 1\ns3cr3t");
  });

  it("has nothing to do for the same program", async () => {
    succeeded(await stack.pulumi("preview", "--stack", "dev", "--expect-no-changes"));
    succeeded(await stack.pulumi("refresh", "--yes", "--stack", "dev", "--expect-no-changes"));
  });

  it("says in a plan which step and which file change", async () => {
    stack.file("agent/tool.sh", "echo tool 2\n");
    stack.program(program("echo changed"));
    const { stdout } = succeeded(await stack.pulumi("preview", "--stack", "dev", "--json"));
    const changed = (JSON.parse(stdout) as Plan).steps.filter(({ detailedDiff }) => detailedDiff);
    const kinds = changed.map(({ op, detailedDiff = {} }) => [
      op,
      Object.fromEntries(Object.entries(detailedDiff).map(([path, { kind }]) => [path, kind])),
    ]);
    expect(kinds).toEqual([
      [
        "update",
        expect.objectContaining({ "image.steps[1]": "update", 'files["/workspace/agent/tool.sh"]': "update" }),
      ],
      ["replace", { snapshot: "update-replace" }],
    ]);
  });

  it("makes it a new version, and the sandbox follows", async () => {
    succeeded(await stack.pulumi("up", "--yes", "--stack", "dev"));
    expect(await stack.outputs()).toMatchObject({ version: 2, found: 1 });
    expect(await inSandbox("sh /workspace/agent/tool.sh")).toBe("tool 2");
  });

  it("keeps secrets, bytes and paths of this machine out of the state", async () => {
    const { stdout } = succeeded(await stack.pulumi("stack", "export", "--stack", "dev"));
    for (const text of ["s3cr3t", "osb_", stack.dir, "echo tool"]) expect(stdout).not.toContain(text);
  });

  it("imports what is there, without a change", async () => {
    succeeded(await stack.pulumi("stack", "init", "other"));
    const imported = (type: string, id: string) =>
      stack.pulumi("import", `opencomputer:index:${type}`, "agent", id, "--yes", "--protect=false", "--stack", "other");
    const { sandboxId } = await stack.outputs();
    // The text of a program to paste is written by newer language hosts than a machine may have; the import stands.
    expect((await imported("Snapshot", "agent")).output).toMatch(/agent imported/);
    expect((await imported("Sandbox", String(sandboxId))).output).toMatch(/agent imported/);
    stack.program(`${RESOURCES}
new NativeSnapshot("agent", { name: "agent", image: { steps: [
  { type: "run", args: { commands: ["echo one"] } },
  { type: "run", args: { commands: ["echo changed"] } },
  { type: "add_local_dir", args: { localPath: "./agent", path: "/workspace/agent" } },
] } });
new NativeSandbox("agent", { snapshot: "agent", timeout: 3600 });
`);
    succeeded(await stack.pulumi("preview", "--stack", "other", "--expect-no-changes"));
    const { output } = await imported("Snapshot", "nothing");
    expect(output).toMatch(/already exists|does not exist/);
    succeeded(await stack.pulumi("stack", "rm", "other", "--yes", "--force"));
  });

  it("shows what a command said that failed, and every mistake in an image", async () => {
    stack.program(program("echo oops >&2; exit 3"));
    const failed = await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev");
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toMatch(/step 2\/3.*3/s);
    expect(failed.output).toContain("oops");
    stack.program(`${RESOURCES}
new NativeSnapshot("agent", { image: { steps: [
  { type: "apt_install", args: { packages: [""] } }, { type: "add_local_dir", args: { localPath: "./gone", path: "/x" } },
] } });`);
    const wrong = await stack.pulumi("preview", "--stack", "dev");
    expect(wrong.exitCode).not.toBe(0);
    for (const part of ["image.steps[0].args.packages[0]", "image.steps[1]", "./gone"])
      expect(wrong.output).toContain(part);
  });

  it("ends a build at once when the update is interrupted", async () => {
    stack.program(program("sleep 120"));
    const run = stack.start("up", "--yes", "--skip-preview", "--stack", "dev");
    const startedMs = Date.now();
    await untilPrinted(run, "step 2/3");
    run.kill("SIGINT");
    expect((await run.end).exitCode).not.toBe(0);
    expect(Date.now() - startedMs).toBeLessThan(90_000);
  });

  it("leaves nothing behind", async () => {
    succeeded(await stack.pulumi("destroy", "--yes", "--stack", "dev"));
    const { stdout } = succeeded(await stack.cli("ls", "--json"));
    expect(JSON.parse(stdout)).toMatchObject({ snapshots: [], sandboxes: [] });
    succeeded(await stack.cli("stop"));
    expect(leaked(before, census())).toEqual([]);
  });
});
