import { beforeEach, describe, expect, it } from "vitest";
import { checkpointHandlers } from "../../provider/checkpoint";
import { type HandlerContext, type Properties, UNKNOWN } from "../../provider/context";
import { OpenComputerError } from "../../src/errors";
import { sha256Hex } from "../../src/image/hash";
import { createTestContext, URN } from "./handler-context";
import { MemoryApi } from "./memory-api";

let api: MemoryApi;
let lines: string[];
let context: HandlerContext;
const begin = (server?: MemoryApi) => {
  ({ api, lines, context } = createTestContext(server));
};
beforeEach(() => begin());

const base = { sandbox: "sb-1" };
const fixed = { ...base, name: "fixed", kind: "disk_only", __autoNamed: false };
const check = (news: Properties, olds: Properties = {}, urn = URN) =>
  checkpointHandlers.check({ ...context, urn }, olds, news);
const checked = (news: Properties = base, olds: Properties = {}, urn = URN) => {
  const { inputs, failures } = check(news, olds, urn);
  expect(failures).toEqual([]);
  return inputs;
};
const created = (inputs = checked()) => checkpointHandlers.create(context, inputs);

describe("check", () => {
  it("makes a name, says the kind, and leaves what the program says", () => {
    const inputs = checked({
      ...base,
      triggers: [{ a: 1 }, "b"],
      retentionPolicy: { mode: "delete_oldest", maxCount: 2 },
    });
    expect(inputs).toEqual({
      ...{ ...base, kind: "disk_only", name: expect.stringMatching(/^data-science-[0-9a-f]{7}$/), __autoNamed: true },
      ...{ triggers: [{ a: 1 }, "b"], retentionPolicy: { mode: "delete_oldest", maxCount: 2 } },
    });
    expect(checked({ ...base, name: "my name", kind: "full" })).toEqual({
      ...{ ...base, name: "my name", kind: "full", __autoNamed: false },
    });
  });

  it("gives two stacks two names, and one moment one name, whatever else changes", () => {
    const before = checked();
    expect(checked(base, {}, URN.replace("dev", "prod"))["name"]).not.toBe(before["name"]);
    const policy = { retentionPolicy: { mode: "none" }, triggers: [] };
    expect(checked({ ...base, ...policy }, before, `${URN}-2`)["name"]).toBe(before["name"]);
    expect(checked({ ...base, name: before["name"] }, before)["__autoNamed"]).toBe(false);
  });

  it.each<[string, Properties]>([
    ["kind", { kind: "full" }],
    ["trigger", { triggers: ["1"] }],
  ])("gives each moment a name of its own: another %s", (_what, change) => {
    const news = { ...base, ...change };
    expect(checked(news, checked())["name"]).not.toBe(checked()["name"]);
    // Pulumi asks once more, without what was recorded, when it is going to replace.
    expect(checked(news, checked())).toEqual(checked(news));
  });

  it.each<[string, Properties, Properties]>([
    ["sandbox", { sandbox: UNKNOWN }, { sandbox: UNKNOWN, name: expect.stringMatching(/^data-science-/) }],
    ["trigger", { ...base, triggers: [UNKNOWN] }, { triggers: [UNKNOWN], name: UNKNOWN }],
    ["kind", { ...base, kind: UNKNOWN }, { kind: UNKNOWN, name: UNKNOWN }],
    ["name", { ...base, name: UNKNOWN }, { name: UNKNOWN, __autoNamed: false }],
  ])("leaves an unknown %s unknown", (_what, news, expected) => {
    expect(checked(news)).toMatchObject(expected);
  });

  it("says all that is wrong at once", () => {
    const { failures } = check({ name: "", kind: "half", retentionPolicy: { mode: "never" }, triggerz: [] });
    expect(failures.map(({ property }) => property)).toEqual(["sandbox", "name", "kind", "retentionPolicy.mode", ""]);
  });
});

describe("diff", () => {
  const diff = (olds: Properties, news: Properties) => checkpointHandlers.diff(context, olds, news);
  const outs = { checkpointId: "c-1", sizeBytes: 1, status: "ready", createdAt: "" };

  it.each<[string, Properties, readonly string[], boolean]>([
    ["nothing", {}, [], false],
    ["the sandbox", { sandbox: "sb-2" }, ["sandbox"], false],
    ["the name", { name: "other" }, ["name"], false],
    ["the endpoint", { endpoint: "eu" }, ["endpoint"], false],
    ["the kind", { kind: "full" }, ["kind"], true],
    ["a trigger", { triggers: ["a"] }, ["triggers"], true],
    ["an unknown trigger", { triggers: [UNKNOWN] }, ["triggers"], true],
    ["an unknown sandbox", { sandbox: UNKNOWN }, ["sandbox"], false],
    ["kind and name", { kind: "full", name: "other" }, ["kind", "name"], false],
  ])("under a name of the program: %s", (_what, change, replaces, deleteBeforeReplace) => {
    const changes = replaces.length > 0;
    expect(diff({ ...fixed, ...outs }, { ...fixed, ...change })).toEqual({ changes, replaces, deleteBeforeReplace });
  });

  it("under a name of ours keeps the new one before the old one goes", () => {
    const before = checked();
    expect(diff({ ...before, ...outs }, checked({ ...base, triggers: ["a"] }, before))).toEqual({
      ...{ changes: true, replaces: ["triggers", "name"], deleteBeforeReplace: false },
    });
  });

  it("records what concerns the next creation, and sees no change in lists and policies that say nothing", () => {
    const policy = { retentionPolicy: { mode: "delete_oldest" } };
    expect(diff(fixed, { ...fixed, ...policy })).toMatchObject({ changes: true, replaces: [] });
    expect(diff(fixed, { ...fixed, triggers: [] })).toMatchObject({ changes: false, replaces: [] });
  });
});

describe("create", () => {
  it("waits until it is kept, and says what the server says", async () => {
    const inputs = checked({ ...base, kind: "full", endpoint: "eu", triggers: ["a"] });
    const { id, outs } = await created(inputs);
    const { name, __autoNamed: _, ...given } = inputs;
    const said = { checkpointId: id, status: "ready", sizeBytes: 4096, createdAt: expect.any(String) };
    expect(outs).toEqual({ ...given, name, ...said });
    expect(api.lastCheckpoint).toEqual({ name, kind: "full", owner: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(lines).toEqual(["status keeping its files, memory and processes"]);
  });

  it("leaves none behind that failed, and says why", async () => {
    api.checkpointEnd = { status: "failed", errorMsg: "no space left" };
    await expect(created()).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining("no space left"),
    });
    expect(api.checkpoints.size).toBe(0);
  });

  it("leaves none behind when it is cancelled, or when somebody deletes it meanwhile", async () => {
    const abort = new AbortController();
    api.checkpointEnd = { status: "processing" };
    const cancelled = checkpointHandlers.create({ ...context, signal: abort.signal }, checked());
    setTimeout(() => abort.abort(), 80);
    await expect(cancelled).rejects.toMatchObject({ code: "aborted" });
    expect(api.checkpoints.size).toBe(0);
    const deleted = created();
    setTimeout(() => api.checkpoints.clear(), 80);
    await expect(deleted).rejects.toMatchObject({ code: "not_found" });
  });

  it("finds what an earlier create began and nobody recorded", async () => {
    const lost = await api.createCheckpoint("sb-1", { name: String(checked()["name"]), owner: sha256Hex(URN) });
    expect((await created()).id).toBe(lost.id);
    expect(api.checkpoints.size).toBe(1);
  });

  it.each<[string, Properties, boolean]>([
    ["a name of ours", base, true],
    ["a name of the program", { ...base, name: "fixed" }, true],
    ["a name of ours, on a server that keeps no owner", base, false],
  ])(
    "takes the moment anew under %s, also where a forced replacement finds the old one",
    async (_what, news, owners) => {
      begin(new MemoryApi(owners));
      const old = await created(checked(news));
      const anew = await created(checked(news));
      expect(anew.id).not.toBe(old.id);
      await checkpointHandlers.delete(context, old.id, old.outs);
      expect([...api.checkpoints.keys()]).toEqual([anew.id]);
    },
  );

  it.each<[string, Properties, string | undefined, boolean]>([
    ["somebody else's", { ...base, name: "fixed" }, "other", true],
    ["nobody's", { ...base, name: "x" }, undefined, false],
  ])("keeps its hands off %s", async (_what, news, owner, owners) => {
    begin(new MemoryApi(owners));
    await api.createCheckpoint("sb-1", { name: String(news["name"]), ...(owner ? { owner } : {}) });
    await expect(created(checked(news))).rejects.toMatchObject({
      ...{ code: "conflict", message: expect.stringMatching(/somebody else made.*leave the name out/) },
    });
    expect(api.checkpoints.size).toBe(1);
  });
});

describe("read, update and delete", () => {
  it("tells only what the server says to be gone as gone, also where the sandbox is", async () => {
    const { id, outs } = await created();
    api.sandboxes.clear();
    expect(await checkpointHandlers.read(context, id, outs)).toEqual(outs);
    api.failure = new OpenComputerError("unauthorized", "unknown key");
    await expect(checkpointHandlers.read(context, id, outs)).rejects.toThrow("unknown key");
    await expect(checkpointHandlers.delete(context, id, outs)).rejects.toThrow("unknown key");
    api.failure = new OpenComputerError("not_found", "no such sandbox");
    expect(await checkpointHandlers.read(context, id, outs)).toBeUndefined();
    api.failure = undefined;
    await checkpointHandlers.delete(context, id, outs);
    expect(await checkpointHandlers.read(context, id, outs)).toBeUndefined();
    await checkpointHandlers.delete(context, id, outs);
  });

  it("runs nothing for what concerns the next creation", async () => {
    const { id, outs } = await created();
    api.calls.length = 0;
    const news = checked({ ...base, retentionPolicy: { mode: "none" } }, { ...outs, __autoNamed: true });
    expect(await checkpointHandlers.update(context, id, outs, news)).toEqual({
      ...{ ...outs, retentionPolicy: { mode: "none" } },
    });
    expect(api.calls).toEqual([]);
  });
});
