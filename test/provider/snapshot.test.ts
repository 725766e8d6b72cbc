import { beforeEach, describe, expect, it } from "vitest";
import { type HandlerContext, type Properties, UNKNOWN } from "../../provider/context";
import { snapshotHandlers } from "../../provider/snapshot";
import { OpenComputerError } from "../../src/errors";
import { Image } from "../../src/image/image";
import { createTestContext, URN } from "./handler-context";
import { MemoryApi } from "./memory-api";

let api: MemoryApi;
let lines: string[];
let context: HandlerContext;
const begin = (server?: MemoryApi, config = {}) => {
  ({ api, lines, context } = createTestContext(server, config));
};
beforeEach(() => begin());

const image = (packages: string[] = ["pandas"]) =>
  Image.base().aptInstall(["jq"]).pipInstall(packages).addFile("/workspace/a.txt", "a");

const newsOf = (of: Image, more: Properties = {}): Properties => ({ __manifest: of.toJSON(), ...more });

const checked = (news: Properties, olds: Properties = {}, urn = URN) => {
  const { inputs, failures } = snapshotHandlers.check({ ...context, urn }, olds, news);
  expect(failures).toEqual([]);
  return inputs;
};

const fixed = (packages: string[] = ["pandas"], more: Properties = {}) =>
  checked(newsOf(image(packages), { name: "fixed", ...more }));
const created = async (inputs = checked(newsOf(image()))) => snapshotHandlers.create(context, inputs);

describe("check", () => {
  it("knows identity, steps, files, name and reference before anything is built", () => {
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
      ref: `${inputs["name"]}@${image().cacheKey().slice(0, 12)}`,
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
    ["image", { __manifest: UNKNOWN }, { contentHash: UNKNOWN, steps: UNKNOWN, name: UNKNOWN, ref: UNKNOWN }],
    ["image, with a name", { __manifest: UNKNOWN, name: "fixed" }, { contentHash: UNKNOWN, name: "fixed" }],
    ["name", { name: UNKNOWN }, { name: UNKNOWN, contentHash: image().cacheKey(), ref: UNKNOWN }],
    ["label", { labels: { a: UNKNOWN } }, { labels: { team: "data", a: UNKNOWN } }],
    ["label map", { labels: UNKNOWN }, { labels: UNKNOWN }],
  ];
  it.each(unknowns)("leaves an unknown %s unknown", (_what, unknown, expected) => {
    begin(undefined, { defaultLabels: { team: "data" } });
    expect(checked({ ...newsOf(image()), ...unknown })).toMatchObject(expected);
  });

  it("adds the stack's labels below those of the resource, so that a diff shows them", () => {
    begin(undefined, { defaultLabels: { team: "data", stage: "dev" } });
    expect(fixed([], { labels: { stage: "prod" } })["labels"]).toEqual({ team: "data", stage: "prod" });
    expect(fixed()["labels"]).toEqual({ team: "data", stage: "dev" });
  });

  it("reports all failures at once, in the words of the program", () => {
    const steps = [
      { type: "run", args: { commands: [""] } },
      { type: "fly", args: {} },
    ];
    const news = { name: "a/b", stepTimeoutSeconds: 0, labels: { "no spaces": "x" }, retention: { keepLast: -1 } };
    const { failures } = snapshotHandlers.check(context, {}, { ...news, __manifest: { base: "base", steps } });
    expect(failures.map((failure) => failure.property)).toEqual([
      "name",
      "labels.no spaces",
      "retention.keepLast",
      "stepTimeoutSeconds",
      "image.steps[0].args.commands[0]",
      "image.steps[1].type",
    ]);
  });

  const refused: [string, Properties, string][] = [
    ["misspelt", { ...newsOf(image()), nmae: "x" }, "nmae"],
    ["without image", {}, "is missing"],
  ];
  it.each(refused)("refuses what is %s", (_what, news, reason) => {
    const { failures } = snapshotHandlers.check(context, {}, { ...news, __provider: "text" });
    expect(failures.map((failure) => failure.reason).join()).toContain(reason);
  });
});

describe("diff", () => {
  const diff = (olds: Properties, news: Properties) => snapshotHandlers.diff(context, olds, news);
  const versioned = (olds: Properties) => ({ ...olds, record: { version: 1 } });

  it("sees no change where there is none", () => {
    const inputs = checked(newsOf(image()));
    expect(diff(inputs, checked(newsOf(image().builderMemory(8192))))).toMatchObject({ changes: false, replaces: [] });
  });

  it("replaces an automatic name for another content and says from which step", () => {
    const result = diff(versioned(checked(newsOf(image()))), checked(newsOf(image(["polars"]))));
    expect(result).toEqual({ changes: true, replaces: ["contentHash", "name"], deleteBeforeReplace: false });
    expect(lines).toEqual(["info rebuild from step 2 of 3: pip_install +polars -pandas (1 cached)"]);
  });

  const changes: [string, Properties, Properties, Properties][] = [
    ["content, with versions", versioned(fixed2()), fixed2(["polars"]), update()],
    ["content, without versions", fixed2(), fixed2(["polars"]), replace(["contentHash"], true)],
    ["content and name", versioned(fixed2()), fixed2(["polars"], { name: "b" }), replace(["contentHash", "name"])],
    ["unknown content", versioned(fixed2()), { ...fixed2(), contentHash: UNKNOWN }, update()],
    ["endpoint", versioned(fixed2()), fixed2(undefined, { endpoint: "eu" }), replace(["endpoint"])],
    ["labels", fixed2(), fixed2(undefined, { labels: { a: "b" } }), update()],
    ["labels that are none", fixed2(), fixed2(undefined, { labels: {} }), { ...update(), changes: false }],
    ["retention", fixed2(), fixed2(undefined, { retention: { keepLast: 3 } }), update()],
    ["warm pool", fixed2(), fixed2(undefined, { warmPool: 2 }), update()],
    ["a warm pool that is none", fixed2(), fixed2(undefined, { warmPool: 0 }), { ...update(), changes: false }],
    ["step timeout", fixed2(), fixed2(undefined, { stepTimeoutSeconds: 60 }), update()],
    ["build timeout", fixed2(), fixed2(undefined, { buildTimeoutSeconds: 60 }), update()],
    ["builder memory", fixed2(), fixed2(undefined, { builderMemoryMB: 8192 }), update()],
    ["adoption", fixed2(), fixed2(undefined, { adopt: true }), update()],
  ];
  it.each(changes)("explicit name: %s", (_what, olds, news, expected) => {
    expect(diff(olds, news)).toEqual(expected);
  });

  function fixed2(packages: string[] = ["pandas"], more: Properties = {}): Properties {
    begin();
    return fixed(packages, more);
  }
  function update() {
    return { changes: true, replaces: [], deleteBeforeReplace: false };
  }
  function replace(replaces: string[], deleteBeforeReplace = false) {
    return { changes: true, replaces, deleteBeforeReplace };
  }

  it("of an image that holds a secret counts steps and does not tell them", async () => {
    const secret = (packages: string[]) => ({ ...checked(newsOf(image(packages))), __secret: true });
    diff(secret(["pandas"]), secret(["s3cr3t"]));
    await created(secret(["s3cr3t"]));
    expect(lines).toEqual([
      "info rebuild from step 2 of 3 (1 cached)",
      "status step 1/1",
      "info built: step 1 took 2.0 s, 0 cached",
    ]);
  });
});

describe("create", () => {
  it("builds, shows the log as status, and returns what does not move by itself", async () => {
    const { id, outs } = await created();
    expect(lines).toEqual(["status step 1/1: run it", "info built: step 1 took 2.0 s, 0 cached"]);
    expect(id).not.toBe("");
    expect(outs).toMatchObject({ record: { status: "ready", version: 1 }, contentHash: image().cacheKey() });
    expect(Object.keys(outs).filter((key) => key.startsWith("__") || key === "lastUsedAt")).toEqual([]);
  });

  const levels: [string, string[]][] = [
    ["quiet", []],
    ["full", ["step 1/1: run it", "step 1/1 completed in 2.0 s", "built: step 1 took 2.0 s, 0 cached"]],
  ];
  it.each(levels)("says what the log level %s wants", async (logLevel, expected) => {
    begin(undefined, { logLevel });
    await created();
    expect(lines).toEqual(expected.map((line) => `info ${line}`));
  });

  it("sends limits, labels and retention; memory wins over the image's", async () => {
    const own = {
      labels: { a: "b" },
      retention: { keepLast: 2 },
      warmPool: 3,
      stepTimeoutSeconds: 60,
      buildTimeoutSeconds: 600,
    };
    const news = newsOf(image().builderMemory(2048), { ...own, builderMemoryMB: 8192 });
    await created(checked(news));
    expect(api.lastSnapshot).toMatchObject({ ...own, image: { manifest: { builderMemoryMB: 8192 } } });
  });

  it("finds what an earlier create made and nobody recorded", async () => {
    const first = await created();
    const again = await created(checked(newsOf(image(), { labels: { a: "b" } })));
    expect([again.id, again.outs["ref"], api.snapshots.size]).toEqual([first.id, first.outs["ref"], 1]);
    // What was asked for meanwhile holds, too.
    expect(api.snapshots.get(String(again.outs["name"]))?.labels).toEqual({ a: "b" });
  });

  it("reads back what it recorded, labels that went with a new content included", async () => {
    const before = await created(fixed(["pandas"], { labels: { a: "b" } }));
    const news = fixed(["polars"]);
    const outs = await snapshotHandlers.update(context, before.id, before.outs, news);
    expect(outs["labels"]).toBeUndefined();
    expect(snapshotHandlers.diff(context, outs, news)).toMatchObject({ changes: false });
  });

  it("keeps the one that a forced replacement found, when the old one is to be deleted", async () => {
    const old = await created(fixed());
    const anew = await created(fixed());
    expect(anew.id).toBe(old.id);
    // Perhaps in a later run, from the state.
    await snapshotHandlers.delete({ ...context }, old.id, JSON.parse(JSON.stringify(old.outs)));
    expect(await snapshotHandlers.read(context, anew.id, anew.outs)).toEqual(anew.outs);
    await snapshotHandlers.delete(context, anew.id, anew.outs);
    expect(api.snapshots.size).toBe(0);
  });

  const taken: [string, string[], string, boolean, string][] = [
    ["another owner", ["pandas"], "other", true, "set adopt: true"],
    ["another content", ["polars"], "other", true, "another content"],
    ["another content of its own", ["polars"], URN, true, "set adopt: true"],
    ["another content, without versions", ["polars"], URN, false, "choose another name"],
  ];
  it.each(taken)("keeps its hands off a name with %s", async (_what, packages, urn, versions, message) => {
    begin(new MemoryApi(versions));
    await snapshotHandlers.create({ ...context, urn }, fixed());
    const error = await created(fixed(packages)).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "conflict", message: expect.stringContaining(message) });
    expect(String(error).includes("adopt")).toBe(versions);
  });

  it.each([["pandas"], ["polars"]])("adopts somebody's name with %s where it is told to", async (packages) => {
    await snapshotHandlers.create({ ...context, urn: "other" }, fixed());
    const { outs } = await created(fixed([packages], { adopt: true, labels: { a: "b" } }));
    expect(outs).toMatchObject({ contentHash: image([packages]).cacheKey(), labels: { a: "b" } });
    expect(api.snapshots.get("fixed")).toMatchObject({ version: packages === "pandas" ? 1 : 2, labels: { a: "b" } });
  });

  it("keeps its own hash on a server that has another, so that nothing changes where nothing did", async () => {
    begin(new MemoryApi(false));
    const { id, outs } = await created(fixed());
    expect(outs).toMatchObject({ contentHash: image().cacheKey() });
    expect(await snapshotHandlers.read(context, id, outs)).toEqual(outs);
    expect(snapshotHandlers.diff(context, outs, fixed())).toMatchObject({ changes: false });
    expect((await created(fixed())).id).toBe(id);
  });

  it("says where labels go that the server does not keep", async () => {
    begin(new MemoryApi(false));
    await created(fixed(undefined, { labels: { a: "b" } }));
    expect(lines.at(-1)).toContain("warn this server keeps no labels");
  });

  const buildId = "5c1f09ab-0000-4000-8000-000000000000";
  const failures: [ConstructorParameters<typeof OpenComputerError>[0], object, RegExp][] = [
    // The name means its current version, whose build went well.
    ["build_failed", { buildId }, /step 3 failed\nthe whole log: pulumi-opencomputer logs 5c1f09ab$/],
    ["build_failed", {}, /^step 3 failed$/],
    ["aborted", {}, /goes on after them$/],
    ["unauthorized", {}, /^step 3 failed$/],
  ];
  it.each(failures)("says what to do after %s with %j", async (code, details, message) => {
    api.buildFailure = new OpenComputerError(code, "step 3 failed", { details: { ...details } });
    await expect(created(fixed())).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe("update", () => {
  const updated = async (olds: Properties, news: Properties) => {
    const { id, outs } = await created(olds);
    api.calls.length = 0;
    return { before: outs, after: await snapshotHandlers.update(context, id, outs, news) };
  };

  it("makes another content the next version of the name", async () => {
    const { after } = await updated(fixed(), fixed(["polars"]));
    expect(api.calls).toEqual(["createSnapshot fixed version"]);
    const hash = image(["polars"]).cacheKey();
    expect(after).toMatchObject({ contentHash: hash, ref: `fixed@${hash.slice(0, 12)}`, record: { version: 2 } });
  });

  it("sets labels and retention in place, also to nothing", async () => {
    await updated(fixed(undefined, { labels: { a: "b" } }), fixed(undefined, { retention: { keepLast: 3 } }));
    expect(api.calls).toEqual(['updateSnapshot fixed {"labels":{},"retention":{"keepLast":3}}']);
  });

  it.each<[string, Properties, Properties, number]>([
    ["sets it", {}, { warmPool: 2 }, 2],
    ["takes it back", { warmPool: 2 }, {}, 0],
  ])("of a warm pool builds nothing and %s", async (_what, before, after, warmPool) => {
    const { after: outs } = await updated(fixed(undefined, before), fixed(undefined, after));
    expect(api.calls).toEqual([`updateSnapshot fixed {"labels":{},"retention":{},"warmPool":${warmPool}}`]);
    expect(outs["warmPool"]).toBe(after["warmPool"]);
    expect(snapshotHandlers.diff(context, outs, fixed(undefined, after))).toMatchObject({ changes: false });
  });

  it("takes a warm pool along to the next version", async () => {
    await updated(fixed(undefined, { warmPool: 2 }), fixed(["polars"], { warmPool: 2 }));
    expect(api.calls).toEqual(["createSnapshot fixed version"]);
    expect(api.lastSnapshot).toMatchObject({ warmPool: 2 });
  });

  it("runs nothing for what concerns the next build", async () => {
    const { before, after } = await updated(fixed(), fixed(undefined, { stepTimeoutSeconds: 60, adopt: true }));
    expect(after).toEqual({ ...before, stepTimeoutSeconds: 60, adopt: true });
    expect(api.calls).toEqual([]);
  });
});

describe("read and delete", () => {
  it("tells only what the server says to be gone as gone", async () => {
    const { id, outs } = await created();
    expect(await snapshotHandlers.read(context, id, outs)).toEqual(outs);
    api.failure = new OpenComputerError("unauthorized", "unknown key");
    await expect(snapshotHandlers.read(context, id, outs)).rejects.toThrow("unknown key");
    await expect(snapshotHandlers.delete(context, id, outs)).rejects.toThrow("unknown key");
    api.failure = undefined;
    await snapshotHandlers.delete(context, id, outs);
    expect(await snapshotHandlers.read(context, id, outs)).toBeUndefined();
    await snapshotHandlers.delete(context, id, outs);
    expect(api.snapshots.size).toBe(0);
  });

  it("leaves alone what somebody made anew under the same name", async () => {
    const { id, outs } = await created();
    const name = String(outs["name"]);
    const anew = { ...(await api.getSnapshot(name)), id: "another" };
    api.snapshots.set(name, anew);
    expect(await snapshotHandlers.read(context, id, outs)).toBeUndefined();
    await snapshotHandlers.delete(context, id, outs);
    expect(api.snapshots.get(name)).toBe(anew);
  });

  it("sees what was changed by hand, and the next update takes it back", async () => {
    const inputs = fixed();
    const { id, outs } = await created(inputs);
    const moved = { ...(await api.getSnapshot("fixed")), contentHash: "f".repeat(64), labels: { by: "hand" } };
    api.snapshots.set("fixed", moved);
    const read = await snapshotHandlers.read(context, id, outs);
    expect(read).toMatchObject({ contentHash: moved.contentHash, ref: "fixed@ffffffffffff", labels: { by: "hand" } });
    expect(snapshotHandlers.diff(context, read ?? {}, inputs)).toMatchObject({ changes: true, replaces: [] });
  });
});
