import { spawnSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import { type HandlerContext, type Properties, UNKNOWN } from "../../provider/context";
import { sandboxHandlers } from "../../provider/sandbox";
import { OpenComputerError } from "../../src/errors";
import { Image } from "../../src/image/image";
import { createTestContext } from "./handler-context";
import { MemoryApi } from "./memory-api";

let api: MemoryApi;
let lines: string[];
let context: HandlerContext;
const begin = (server?: MemoryApi, config = {}) => {
  ({ api, lines, context } = createTestContext(server, config));
};
beforeEach(() => begin());

const base = { snapshot: "data-1", envs: { A: "1" }, timeout: 60, memoryMB: 512 };
const image = Image.base().aptInstall(["jq"]);
const check = (news: Properties) => sandboxHandlers.check(context, {}, news);
const created = (inputs: Properties = base) => sandboxHandlers.create(context, inputs);

describe("check", () => {
  it("knows the identity of an image, and adds the stack's tags", () => {
    begin(undefined, { defaultTags: { team: "data", stage: "dev" } });
    const { inputs, failures } = check({ __manifest: image.toJSON(), tags: { stage: "prod" } });
    expect(failures).toEqual([]);
    expect(inputs).toMatchObject({
      contentHash: image.cacheKey(),
      steps: [{ summary: "apt_install jq" }],
      tags: { team: "data", stage: "prod" },
    });
  });

  it("leaves the unknown unknown and checks the rest", () => {
    const { inputs } = check({ __manifest: UNKNOWN, envs: { A: UNKNOWN } });
    expect(inputs).toMatchObject({ contentHash: UNKNOWN, envs: { A: UNKNOWN } });
    expect(check({ snapshot: UNKNOWN, timeout: -1 }).failures).toMatchObject([{ property: "timeout" }]);
  });

  const refused: [string, Properties, string][] = [
    ["a misspelt input", { snapshot: "data", timeuot: 5 }, "timeuot"],
    ["image beside snapshot", { snapshot: "data", __manifest: image.toJSON() }, "beside snapshot"],
    ["an unknown image beside snapshot", { snapshot: "data", __manifest: UNKNOWN }, "beside snapshot"],
    ["a checkpoint beside snapshot", { snapshot: UNKNOWN, checkpoint: "c" }, "checkpoint cannot stand beside snapshot"],
    ["an unknown checkpoint beside image", { checkpoint: UNKNOWN, __manifest: image.toJSON() }, "beside image"],
    ["CPUs beside a checkpoint", { checkpoint: "c", cpuCount: 1 }, "cpuCount cannot be set beside checkpoint"],
    ["a network beside a checkpoint", { checkpoint: "c", network: "none" }, "network cannot be set beside checkpoint"],
    ["a network of no kind", { network: { alow: [] } }, "network"],
    ["a ready check without command", { readyCheck: { timeoutSeconds: 5 } }, "readyCheck.command"],
    ["another end", { recreate: "maybe" }, "recreate"],
    ["a reference that is none", { snapshot: "a b" }, "snapshot"],
  ];
  it.each(refused)("refuses %s", (_what, news, said) => {
    const { failures } = check({ ...news, __provider: "text" });
    expect(failures.map(({ property, reason }) => `${property} ${reason}`).join()).toContain(said);
  });

  it("says all that is wrong at once", () => {
    const news = { snapshot: "a", checkpoint: "c", __manifest: image.toJSON(), network: "none", timeout: -1 };
    expect(check(news).failures).toMatchObject([
      { property: "timeout" },
      { property: "checkpoint", reason: "cannot stand beside snapshot and image: a sandbox starts from one" },
      { property: "network" },
    ]);
  });

  it("tells no value of a variable", () => {
    const { failures } = check({ envs: { "NOT A NAME": "s3cr3t", B: 5 } });
    expect(failures.length).toBeGreaterThan(0);
    expect(JSON.stringify(failures)).not.toContain("s3cr3t");
  });
});

describe("diff", () => {
  const changes: [string, Properties, readonly string[], boolean][] = [
    ["nothing", {}, [], false],
    ["the snapshot", { snapshot: "data-2" }, ["snapshot"], true],
    ["the image", { contentHash: "b" }, ["contentHash"], true],
    ["the checkpoint", { checkpoint: "c" }, ["checkpoint"], true],
    ["an unknown checkpoint", { checkpoint: UNKNOWN }, ["checkpoint"], true],
    ["a variable", { envs: { A: "2" } }, ["envs"], true],
    ["metadata", { metadata: { a: "b" } }, ["metadata"], true],
    ["memory", { memoryMB: 1024 }, ["memoryMB"], true],
    ["CPUs", { cpuCount: 2 }, ["cpuCount"], true],
    ["the network", { network: { allow: ["pypi.org"] } }, ["network"], true],
    ["the endpoint", { endpoint: "eu" }, ["endpoint"], true],
    ["an unknown snapshot", { snapshot: UNKNOWN }, ["snapshot"], true],
    ["the timeout", { timeout: 61 }, [], true],
    ["tags", { tags: { a: "b" } }, [], true],
    ["the ready check", { readyCheck: { command: "true" } }, [], true],
    ["what follows its end", { recreate: "never" }, [], true],
    ["tags that are none", { tags: {} }, [], false],
  ];
  it.each(changes)("%s", (_what, change, replaces, hasChanges) => {
    const result = sandboxHandlers.diff(context, { ...base, sandboxId: "sb-1" }, { ...base, ...change });
    expect(result).toEqual({ changes: hasChanges, replaces, deleteBeforeReplace: false });
  });

  it.each([
    [{ network: "egress", memoryMB: 4096, cpuCount: 1 }, []],
    [{ memoryMB: 4096 }, []],
    // A CPU alone comes with another memory.
    [{ cpuCount: 1 }, ["memoryMB"]],
  ])("knows defaults that are written down: %j", (said, replaces) => {
    const diff = sandboxHandlers.diff(context, { snapshot: "a" }, { snapshot: "a", ...said });
    expect(diff).toMatchObject({ changes: replaces.length > 0, replaces });
  });

  it("replaces what was kept stopped once a running one is wanted again", () => {
    const stopped = { ...base, recreate: "never", status: "stopped" };
    const diff = (news: Properties) => sandboxHandlers.diff(context, stopped, news);
    expect(diff({ ...base, recreate: "never" })).toMatchObject({ changes: false, replaces: [] });
    expect(diff({ ...base, recreate: "onExpiry" })).toMatchObject({ changes: true, replaces: ["recreate"] });
  });
});

describe("create", () => {
  it("sends what the server takes, and nothing of ours", async () => {
    await created({
      ...base,
      network: "none",
      tags: { a: "b" },
      recreate: "never",
      endpoint: "eu",
      __provider: "text",
    });
    const owner = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(api.lastSandbox).toEqual({ ...base, network: "none", tags: { a: "b" }, owner });
  });

  it("starts from a checkpoint, with what goes on top of it", async () => {
    const { snapshot: _, ...own } = base;
    await created({ ...own, checkpoint: "c-1", tags: { a: "b" }, readyCheck: { command: "true" } });
    expect(api.calls).toEqual(["createSandboxFromCheckpoint c-1", "exec sb-1"]);
    expect(api.lastFork).toEqual({ ...own, tags: { a: "b" }, owner: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it("starts from an image", async () => {
    await created(check({ __manifest: image.toJSON() }).inputs);
    expect(api.lastSandbox?.image?.manifest).toEqual(image.toJSON());
  });

  it("replaces what an earlier create made and nobody recorded, or what a forced replacement finds", async () => {
    const lost = await created();
    const other = await created({ ...base, timeout: 61 });
    const anew = await created();
    expect([...api.sandboxes.keys()]).toEqual([other.id, anew.id]);
    await sandboxHandlers.delete(context, lost.id, lost.outs);
    expect([...api.sandboxes.keys()]).toEqual([other.id, anew.id]);
  });

  it("starts from the name where the server knows no references and the name means that content", async () => {
    begin(new MemoryApi(false));
    await api.createSnapshot({ name: "fixed", image: { manifest: image.toJSON(), findBlob: () => undefined } });
    await created({ snapshot: `fixed@${image.cacheKey().slice(0, 12)}` });
    expect(api.lastSandbox?.snapshot).toBe("fixed");
    await expect(created({ snapshot: "fixed@000000000000" })).rejects.toMatchObject({ code: "not_found" });
  });

  it("waits until it is ready, with the command as an argument", async () => {
    await created({ ...base, readyCheck: { command: "curl 'localhost'" } });
    expect(api.lastExec).toMatchObject({ cmd: "sh", timeout: 70 });
    expect(api.lastExec?.args?.slice(2)).toEqual(["ready-check", "curl 'localhost'", "60"]);
    expect(api.lastExec?.args?.[1]).not.toContain("curl");
    expect(lines).toEqual(["status waiting until ready: curl 'localhost'", "status ready"]);
  });

  it("leaves none behind that does not get ready, and says what the command said last", async () => {
    api.execResult = { exitCode: 1, stdout: "7 /workspace/my agent\nconnection refused\n", stderr: "" };
    const readyCheck = { command: "curl localhost", timeoutSeconds: 5 };
    await expect(created({ ...base, readyCheck })).rejects.toThrow(
      "not ready after 5 s: curl localhost did not succeed (exit code 7, started in /workspace/my agent); " +
        "the sandbox was stopped again. The command's last output:\nconnection refused",
    );
    expect(api.sandboxes.size).toBe(0);
  });

  it.each([
    ["exit 3", 3],
    ["sleep 9", 124],
    ["/nowhere", 127],
  ])("tells with a real shell how %s ended", async (command, exitCode) => {
    api.exec = async (_id, { cmd, args = [] }) => {
      const { status, stdout, stderr } = spawnSync(cmd, args, { encoding: "utf8", cwd: "/", timeout: 10_000 });
      return { exitCode: status ?? -1, stdout, stderr };
    };
    const readyCheck = { command, timeoutSeconds: 1 };
    await expect(created({ ...base, readyCheck })).rejects.toThrow(
      new RegExp(`exit code ${exitCode}.*, started in /\\)`),
    );
  });
});

describe("read, update and delete", () => {
  it("tells only what the server says to be gone as gone", async () => {
    const { id, outs } = await created();
    expect(await sandboxHandlers.read(context, id, outs)).toEqual(outs);
    api.failure = new OpenComputerError("unauthorized", "unknown key");
    await expect(sandboxHandlers.read(context, id, outs)).rejects.toThrow("unknown key");
    await expect(sandboxHandlers.delete(context, id, outs)).rejects.toThrow("unknown key");
    api.failure = undefined;
    await sandboxHandlers.delete(context, id, outs);
    expect(await sandboxHandlers.read(context, id, outs)).toBeUndefined();
    await sandboxHandlers.delete(context, id, outs);
    expect(api.sandboxes.size).toBe(0);
  });

  it("keeps one that hibernates, says so, and plans no change", async () => {
    const { id, outs } = await created();
    api.sandboxes.set(id, { sandboxID: id, status: "hibernated" });
    const read = await sandboxHandlers.read(context, id, outs);
    expect(read).toEqual({ ...outs, status: "hibernated" });
    expect(sandboxHandlers.diff(context, read ?? {}, base)).toMatchObject({ changes: false });
    const updated = await sandboxHandlers.update(context, id, read ?? {}, { ...base, timeout: 61 });
    expect(updated).toMatchObject({ status: "hibernated", timeout: 61 });
    expect(api.calls.at(-1)).toBe(`setSandboxTimeout ${id} 61`);
  });

  const ends: [string | undefined, "onExpiry" | "never", Properties | undefined][] = [
    ["stopped", "onExpiry", undefined],
    ["stopped", "never", { status: "stopped" }],
    [undefined, "onExpiry", undefined],
    [undefined, "never", { status: "stopped" }],
  ];
  it.each(ends)("of one that is %s with recreate %s", async (status, recreate, expected) => {
    const { id, outs } = await created({ ...base, recreate });
    if (status) api.sandboxes.set(id, { sandboxID: id, status });
    else api.sandboxes.delete(id);
    const read = await sandboxHandlers.read(context, id, outs);
    expect(read).toEqual(expected && { ...outs, ...expected });
  });

  const updates: [string, Properties, Properties, string[]][] = [
    ["a timeout", {}, { timeout: 61 }, ["setSandboxTimeout sb-1 61"]],
    ["tags", { tags: { a: "b" } }, { tags: {} }, ["setSandboxTags sb-1 {}"]],
    ["a ready check", {}, { readyCheck: { command: "true" } }, []],
    ["one that is stopped", { status: "stopped", recreate: "never" }, { timeout: 61 }, []],
  ];
  it.each(updates)("updates %s in place and keeps the other outputs", async (_what, before, change, calls) => {
    const olds = { ...base, sandboxId: "sb-1", status: "running", ...before };
    const outs = await sandboxHandlers.update(context, "sb-1", olds, { ...base, ...change });
    expect(outs).toEqual({ ...base, ...change, sandboxId: "sb-1", status: olds.status });
    expect(api.calls).toEqual(calls);
  });
});
