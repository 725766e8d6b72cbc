import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PulumiStack, succeeded } from "./pulumi-stack";
import { until } from "./until";

/** What becomes of snapshots and sandboxes when a program, or the world, changes: the real CLI, server and engine. */
let stack: PulumiStack;

const SNAPSHOT = "pulumi-nodejs:dynamic/opencomputer:Snapshot";
const SANDBOX = "pulumi-nodejs:dynamic/opencomputer:Sandbox";
const KEY = "osb_config-s3cr3t";

interface Parts {
  readonly stage?: string;
  readonly snapshot?: string;
  readonly sandbox?: string;
  readonly sandboxName?: string;
  readonly options?: string;
}

const program = ({ stage = "one", snapshot = "", sandbox = "", sandboxName = "agent", options = "{}" }: Parts) => `
const image = Image.base().runCommands("echo base > /base").env({ STAGE: "${stage}" });
const snapshot = new Snapshot("tools", { name: "tools", image, ${snapshot} });
const token = require("@pulumi/pulumi").secret("env-s3cr3t");
const sandbox = new Sandbox("${sandboxName}", { snapshot: snapshot.ref, envs: { TOKEN: token }, ${sandbox} }, ${options});
exports.ref = snapshot.ref;
exports.record = snapshot.record;
exports.sandboxId = sandbox.sandboxId;
exports.found = getSnapshot({ name: "tools" }).then(({ ref }) => ref, (error) => error.code);
`;

beforeAll(async () => {
  stack = new PulumiStack();
  succeeded(await stack.pulumi("stack", "init", "dev"));
  await config("--path", "opencomputer:defaultLabels.team", "data");
  await config("--path", "opencomputer:defaultTags.team", "data");
  await config("--path", "opencomputer:endpoints.away.apiUrl", "http://127.0.0.1:9");
  await config("--secret", "--path", "opencomputer:endpoints.away.apiKey", KEY);
});

afterAll(async () => {
  await stack?.close();
});

const config = async (...args: string[]) => succeeded(await stack.pulumi("config", "set", "--stack", "dev", ...args));

const up = async (parts: Parts = {}, ...args: string[]) => {
  stack.program(program(parts));
  return succeeded(await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", ...args)).output;
};

const list = async () =>
  JSON.parse(succeeded(await stack.cli("ls", "--json")).stdout) as {
    snapshots: Record<string, unknown>[];
    sandboxes: { sandboxID: string; status: string; tags?: Record<string, string> }[];
  };
const running = async () => (await list()).sandboxes.filter(({ status }) => status === "running");
const inSandbox = async (command: string) => {
  const { sandboxId } = await stack.outputs();
  return succeeded(await stack.cli("exec", String(sandboxId), "--", "sh", "-c", command)).stdout.trim();
};

describe("a snapshot with an explicit name", () => {
  it("is a new version of itself when its image changes, and its sandbox follows", async () => {
    await up();
    const first = await stack.outputs();
    expect(first["found"]).toBe("not_found");
    const output = await up({ stage: "two" });
    expect(output).toMatch(/1 updated/);
    expect(output).toMatch(/1 replaced/);
    expect(await inSandbox("echo $STAGE")).toBe("two");
    const second = await stack.outputs();
    expect(second["record"]).toMatchObject({ version: 2 });
    expect(second["sandboxId"]).not.toBe(first["sandboxId"]);
    // The old version stays for a rollback; nothing else does.
    const { stdout } = succeeded(await stack.cli("versions", "tools", "--json"));
    expect(JSON.parse(stdout)).toMatchObject([{ version: 2, current: true }, { version: 1 }]);
    expect(await running()).toHaveLength(1);
  });

  it("shows a rollback as drift, and takes it back", async () => {
    succeeded(await stack.cli("promote", "tools@1"));
    const { stdout } = succeeded(
      await stack.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "dev", "--json"),
    );
    expect(stdout).toContain("contentHash");
    const [snapshot] = (await list()).snapshots;
    expect(String(snapshot?.["contentHash"])).toContain(String((await stack.outputs())["ref"]).split("@")[1]);
  });

  it("takes labels and retention in place, with those of the stack", async () => {
    const parts = { stage: "two", snapshot: 'labels: { stage: "dev" }, retention: { keepLast: 3 }' };
    const output = await up(parts);
    expect(output).toMatch(/1 updated/);
    expect(output).toMatch(/2 unchanged/);
    expect((await list()).snapshots).toMatchObject([
      { labels: { team: "data", stage: "dev" }, retention: { keepLast: 3 } },
    ]);
    await up(parts, "--expect-no-changes", "--refresh");
    expect((await stack.outputs())["found"]).toBe((await stack.outputs())["ref"]);
  });

  it("is somebody's until it is adopted", async () => {
    succeeded(
      await stack.pulumi("state", "delete", "--yes", "--stack", "dev", "--target-dependents", await urn("tools")),
    );
    const other = 'new Snapshot("other", { name: "tools", image: Image.base().env({ STAGE: "three" })';
    stack.program(`${other} });`);
    const refused = await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev");
    expect(refused.output).toContain("set adopt: true to take it over");
    stack.program(`${other}, adopt: true });`);
    succeeded(await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev"));
    expect((await list()).snapshots).toMatchObject([{ name: "tools", labels: { team: "data" } }]);
    succeeded(await stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev"));
    expect((await list()).snapshots).toEqual([]);
    for (const { sandboxID } of await running()) succeeded(await stack.cli("rm", sandboxID));
  });
});

describe("a sandbox", () => {
  it("takes timeout and tags in place, and is replaced for what is fixed at creation", async () => {
    await up();
    const { sandboxId } = await stack.outputs();
    expect(await up({ sandbox: 'timeout: 600, tags: { stage: "dev" }' })).toMatch(/1 updated/);
    expect(await running()).toMatchObject([{ sandboxID: sandboxId, tags: { team: "data", stage: "dev" } }]);
    expect(await up({ sandbox: "memoryMB: 256" })).toMatch(/1 replaced/);
    expect((await running()).map(({ sandboxID }) => sandboxID)).toEqual([(await stack.outputs())["sandboxId"]]);
  });

  it("is made anew by a forced replacement, and the snapshot stays", async () => {
    const parts = { sandbox: "memoryMB: 256" };
    const { sandboxId } = await stack.outputs();
    await up(parts, "--replace", await urn("tools"), "--replace", await urn("agent"));
    const after = await running();
    expect(after.map(({ sandboxID }) => sandboxID)).toEqual([(await stack.outputs())["sandboxId"]]);
    expect(after[0]?.sandboxID).not.toBe(sandboxId);
    await up(parts, "--expect-no-changes", "--refresh");
  });

  it("keeps its life when it is renamed", async () => {
    const parts = { sandbox: "memoryMB: 256", sandboxName: "worker", options: '{ aliases: [{ name: "agent" }] }' };
    const output = await up(parts, "--expect-no-changes");
    expect(output).toMatch(/3 unchanged/);
  });

  it("that does not get ready is not there, and says why", async () => {
    stack.program(program({ sandbox: 'readyCheck: { command: "echo not yet; exit 1", timeoutSeconds: 2 }' }));
    const run = await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev");
    expect(run.exitCode).not.toBe(0);
    expect(run.output).toMatch(/not ready after 2 s.*not yet/s);
    expect(await running()).toHaveLength(1);
  });

  it("that idled out hibernates, which no plan minds, and the next command wakes it", async () => {
    await up({ sandbox: "memoryMB: 256, timeout: 2" });
    const { sandboxId } = await stack.outputs();
    await until("it hibernates", async () => (await running()).length === 0);
    await up({ sandbox: "memoryMB: 256, timeout: 2" }, "--refresh", "--expect-no-changes");
    await up({ sandbox: "memoryMB: 256, timeout: 600" });
    expect(await inSandbox("cat /base")).toBe("base");
    expect(await running()).toMatchObject([{ sandboxID: sandboxId }]);
  });

  it("that ended is made anew after a refresh, or stays stopped", async () => {
    const parts = (recreate: string) => ({
      sandbox: `readyCheck: { command: "test -e /base" }, recreate: "${recreate}"`,
    });
    await up(parts("onExpiry"));
    await end();
    expect(await up(parts("never"), "--refresh")).toMatch(/1 created/);
    await end();
    expect(await up(parts("never"), "--refresh")).not.toMatch(/\d (created|replaced)/);
    expect(await running()).toEqual([]);
    expect(await up({ sandbox: "timeout: 600" })).toMatch(/1 replaced/);
    expect(await running()).toHaveLength(1);
  });

  const end = async () => {
    succeeded(await stack.cli("rm", String((await stack.outputs())["sandboxId"])));
    expect(await running()).toEqual([]);
  };
});

describe("the state", () => {
  it("is left as it is where the server does not answer or does not know the key", async () => {
    const exported = async () => {
      const { stdout } = succeeded(await stack.pulumi("stack", "export", "--stack", "dev"));
      return (JSON.parse(stdout) as { deployment: { resources: unknown[] } }).deployment.resources.length;
    };
    const before = await exported();
    const { url } = JSON.parse(succeeded(await stack.cli("status", "--json")).stdout) as { url: string };
    const cases = [
      ["http://127.0.0.1:9", /127\.0\.0\.1:9/],
      [url, /key/],
    ] as const;
    // A refresh has the configuration of the last update; where that names no server, the environment does.
    const here = { ...stack.env };
    for (const [apiUrl, said] of cases) {
      Object.assign(stack.env, { OPENCOMPUTER_API_URL: apiUrl, OPENCOMPUTER_API_KEY: "osb_wrong" });
      const run = await stack.pulumi("refresh", "--yes", "--skip-preview", "--stack", "dev");
      expect(run.exitCode, run.output).not.toBe(0);
      expect(run.output).toMatch(said);
      expect(await exported()).toBe(before);
    }
    for (const name of ["OPENCOMPUTER_API_URL", "OPENCOMPUTER_API_KEY"]) delete stack.env[name];
    expect(stack.env).toEqual(here);
  });

  it("holds no secret, and no endpoint's key", async () => {
    const { stdout } = succeeded(await stack.pulumi("stack", "export", "--stack", "dev"));
    for (const secret of ["env-s3cr3t", KEY, "osb_", stack.dir]) expect(stdout).not.toContain(secret);
  });

  it("is empty in the end, and so is the server", async () => {
    succeeded(await stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev"));
    expect((await list()).snapshots).toEqual([]);
    expect(await running()).toEqual([]);
  });
});

describe("a wrong configuration", () => {
  it("is told as a whole before anything runs", async () => {
    await config("opencomputer:logLevel", "loud");
    await config("opencomputer:apiUrl", "nowhere");
    stack.program(program({}).replace(/^exports\.found.*$/m, ""));
    const run = await stack.pulumi("preview", "--stack", "dev");
    expect(run.exitCode).not.toBe(0);
    for (const part of ["apiUrl", "logLevel"]) expect(run.output).toContain(part);
  });
});

const urn = async (name: string) => `urn:pulumi:dev::e2e::${name === "tools" ? SNAPSHOT : SANDBOX}::${name}`;
