import { beforeEach, describe, expect, it } from "vitest";
import type { HandlerContext, Properties, ResourceHandlers } from "../../provider/context";
import { UNKNOWN } from "../../provider/context";
import { sandboxHandlers } from "../../provider/sandbox";
import { snapshotHandlers } from "../../provider/snapshot";
import type { Api } from "../../src/api/contract";
import { OpenComputerError } from "../../src/errors";
import { Image } from "../../src/image/image";
import { MemoryApi } from "./memory-api";

const URN = "urn:pulumi:dev::project::pulumi-nodejs:dynamic/opencomputer:Snapshot::data-science";

let api: MemoryApi;
let lines: string[];
let context: HandlerContext;
beforeEach(() => {
  api = new MemoryApi();
  lines = [];
  const log = {
    status: (line: string) => lines.push(`status ${line}`),
    output: (line: string) => lines.push(`output ${line}`),
    info: (line: string) => lines.push(`info ${line}`),
    warn: (line: string) => lines.push(`warn ${line}`),
  };
  context = {
    api: api as unknown as Api,
    urn: URN,
    log,
    findBlob: () => undefined,
    signal: new AbortController().signal,
  };
});

const image = (packages: string[] = ["pandas"]) =>
  Image.base().aptInstall(["jq"]).pipInstall(packages).addFile("/workspace/a.txt", "a");

const newsOf = (of: Image, more: Properties = {}): Properties => ({ __manifest: of.toJSON(), ...more });

const checked = (news: Properties, olds: Properties = {}, urn = URN) => {
  const { inputs, failures } = snapshotHandlers.check({ ...context, urn }, olds, news);
  expect(failures).toEqual([]);
  return inputs;
};

describe("snapshot check", () => {
  it("knows identity, steps, files and name before anything is built", () => {
    const inputs = checked(newsOf(image()));
    expect(inputs).toMatchObject({
      contentHash: image().cacheKey(),
      steps: [
        { summary: "apt_install jq" },
        { summary: "pip_install pandas" },
        { summary: "add_file /workspace/a.txt" },
      ],
      files: { "/workspace/a.txt": expect.stringMatching(/^sha256:[0-9a-f]{12}$/) },
      name: expect.stringMatching(/^data-science-[0-9a-f]{7}$/),
    });
    expect(JSON.stringify({ ...inputs, __manifest: null })).not.toContain(process.cwd());
  });

  it("gives two stacks two names, and one stack the same name always", () => {
    const other = checked(newsOf(image()), {}, URN.replace("dev", "prod"));
    expect(checked(newsOf(image()))["name"]).toBe(checked(newsOf(image()))["name"]);
    expect(other["name"]).not.toBe(checked(newsOf(image()))["name"]);
    expect(other["contentHash"]).toBe(checked(newsOf(image()))["contentHash"]);
  });

  it("keeps an automatic name when the resource is renamed and its content is not", () => {
    const before = checked(newsOf(image()));
    const renamed = `${URN}-2`;
    expect(checked(newsOf(image()), before, renamed)["name"]).toBe(before["name"]);
    expect(checked(newsOf(image(["polars"])), before, renamed)["name"]).not.toBe(before["name"]);
  });

  const unknowns: [string, Properties, Properties][] = [
    ["image", { __manifest: UNKNOWN }, { contentHash: UNKNOWN, steps: UNKNOWN, name: UNKNOWN }],
    ["image, with a name", { __manifest: UNKNOWN, name: "fixed" }, { contentHash: UNKNOWN, name: "fixed" }],
    ["name", { name: UNKNOWN }, { name: UNKNOWN, contentHash: image().cacheKey() }],
  ];
  it.each(unknowns)("leaves an unknown %s unknown", (_what, unknown, expected) => {
    expect(checked({ ...newsOf(image()), ...unknown })).toMatchObject(expected);
  });

  it("reports all failures at once, in the words of the program", () => {
    const manifest = {
      base: "base",
      steps: [
        { type: "run", args: { commands: [""] } },
        { type: "fly", args: {} },
      ],
    };
    const { failures } = snapshotHandlers.check(
      context,
      {},
      { __manifest: manifest, name: "a/b", stepTimeoutSeconds: 0 },
    );
    expect(failures.map((failure) => failure.property)).toEqual([
      "name",
      "stepTimeoutSeconds",
      "image.steps[0].args.commands[0]",
      "image.steps[1].type",
    ]);
  });
});

describe("snapshot diff", () => {
  const diff = (olds: Properties, news: Properties) => snapshotHandlers.diff(context, olds, news);

  it("sees no change where there is none", () => {
    const inputs = checked(newsOf(image()));
    expect(diff(inputs, checked(newsOf(image().builderMemory(8192))))).toMatchObject({ changes: false, replaces: [] });
  });

  it("replaces for another content and says from which step", () => {
    const result = diff(checked(newsOf(image())), checked(newsOf(image(["polars"]))));
    expect(result).toEqual({ changes: true, replaces: ["contentHash", "name"], deleteBeforeReplace: false });
    expect(lines).toEqual(["info rebuild from step 2 of 3: pip_install polars (1 cached)"]);
  });

  it("deletes first where an explicit name stays", () => {
    const fixed = { name: "fixed" };
    const result = diff(checked(newsOf(image(), fixed)), checked(newsOf(image(["polars"]), fixed)));
    expect(result).toEqual({ changes: true, replaces: ["contentHash"], deleteBeforeReplace: true });
  });

  it("updates for what concerns only the next build", () => {
    const result = diff(checked(newsOf(image())), checked(newsOf(image(), { stepTimeoutSeconds: 60 })));
    expect(result).toMatchObject({ changes: true, replaces: [] });
  });
});

describe("snapshot life", () => {
  const created = async (inputs = checked(newsOf(image()))) => snapshotHandlers.create(context, inputs);

  it("builds, shows the log as status, and returns what does not move by itself", async () => {
    const { id, outs } = await created();
    expect(lines).toEqual(["info step 1/1: run it"]);
    expect(id).not.toBe("");
    expect(outs).toMatchObject({ record: { status: "ready" }, contentHash: image().cacheKey() });
    expect(Object.keys(outs).filter((key) => key.startsWith("__") || key === "lastUsedAt")).toEqual([]);
  });

  it("finds what an earlier create made and nobody recorded", async () => {
    const first = await created();
    expect(await created()).toEqual(first);
  });

  it("keeps its hands off somebody else's name", async () => {
    await created(checked(newsOf(image(), { name: "shared" })));
    await expect(created(checked(newsOf(image(["polars"]), { name: "shared" })))).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("choose another name"),
    });
  });
});

const lives: [string, ResourceHandlers, () => Properties][] = [
  ["snapshot", snapshotHandlers, () => checked(newsOf(image()))],
  ["sandbox", sandboxHandlers, () => ({ snapshot: "data", envs: { A: "1" }, timeout: 60 })],
];
describe.each(lives)("the end of a %s", (_kind, handlers, inputs) => {
  it("is gone only when the server says so", async () => {
    const { id, outs } = await handlers.create(context, inputs());
    expect(await handlers.read(context, id, outs)).toEqual(outs);
    api.failure = new OpenComputerError("unauthorized", "unknown key");
    await expect(handlers.read(context, id, outs)).rejects.toThrow("unknown key");
    await expect(handlers.delete(context, id, outs)).rejects.toThrow("unknown key");
    api.failure = undefined;
    await handlers.delete(context, id, outs);
    expect(await handlers.read(context, id, outs)).toBeUndefined();
    await handlers.delete(context, id, outs);
    expect([api.snapshots.size, api.sandboxes.size]).toEqual([0, 0]);
  });
});

it("a snapshot that somebody made anew under the same name is left alone", async () => {
  const { id, outs } = await snapshotHandlers.create(context, checked(newsOf(image())));
  const name = String(outs["name"]);
  const anew = { ...(await api.getSnapshot(name)), id: "another" };
  api.snapshots.set(name, anew);
  expect(await snapshotHandlers.read(context, id, outs)).toBeUndefined();
  await snapshotHandlers.delete(context, id, outs);
  expect(api.snapshots.get(name)).toBe(anew);
});

describe("sandbox diff", () => {
  const base = { snapshot: "data-1", envs: { A: "1" }, timeout: 60, memoryMB: 512 };
  const changes: [string, Properties, readonly string[], boolean][] = [
    ["nothing", {}, [], false],
    ["the snapshot", { snapshot: "data-2" }, ["snapshot"], true],
    ["a variable", { envs: { A: "2" } }, ["envs"], true],
    ["memory", { memoryMB: 1024 }, ["memoryMB"], true],
    ["an unknown snapshot", { snapshot: UNKNOWN }, ["snapshot"], true],
    ["the timeout", { timeout: 61 }, [], true],
  ];
  it.each(changes)("%s", (_what, change, replaces, hasChanges) => {
    const result = sandboxHandlers.diff(context, { ...base, sandboxId: "sb-1" }, { ...base, ...change });
    expect(result).toEqual({ changes: hasChanges, replaces, deleteBeforeReplace: false });
  });

  it("sets a new timeout in place and keeps the other outputs", async () => {
    const outs = await sandboxHandlers.update(
      context,
      "sb-1",
      { ...base, sandboxId: "sb-1" },
      { ...base, timeout: 61 },
    );
    expect(outs).toMatchObject({ ...base, timeout: 61, sandboxId: "sb-1", status: "running" });
    expect(api.calls).toEqual(["setSandboxTimeout sb-1 61"]);
  });

  it("counts a stopped sandbox as gone", async () => {
    const { id, outs } = await sandboxHandlers.create(context, base);
    api.sandboxes.set(id, { sandboxID: id, status: "stopped" });
    expect(await sandboxHandlers.read(context, id, outs)).toBeUndefined();
  });
});

describe("misspelt inputs", () => {
  const cases: [string, ResourceHandlers, Properties][] = [
    ["snapshot", snapshotHandlers, { ...newsOf(image()), nmae: "x" }],
    ["sandbox", sandboxHandlers, { snapshot: "data", timeuot: 5 }],
  ];
  it.each(cases)("of a %s are failures, not silence", (_kind, handlers, news) => {
    const { failures } = handlers.check(context, {}, { ...news, __provider: "text" });
    expect(failures.map((failure) => failure.reason).join()).toMatch(/nmae|timeuot/);
  });
});

describe("images that hold a secret", () => {
  const secret = (packages: string[]) => ({ ...checked(newsOf(image(packages))), __secret: true });

  it("are told by the number of their steps only", async () => {
    snapshotHandlers.diff(context, secret(["pandas"]), secret(["s3cr3t"]));
    await snapshotHandlers.create(context, secret(["s3cr3t"]));
    expect(lines).toEqual(["info rebuild from step 2 of 3 (1 cached)", "info step 1/1"]);
  });
});
