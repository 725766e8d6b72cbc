import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { UNKNOWN } from "../../../provider/context";
import schema from "../../../provider/plugin/schema.json";
import { Image } from "../../../src/image/image";
import type { Json } from "../provider-process";
import { repository } from "../pulumi-stack";
import { openStage, type Stage } from "../stage";
import { NativeProcess } from "./native-process";

/** What only the native host does, over Pulumi's wire; what both do is in conformance.ts. */
let stage: Stage;
let project: string;
let provider: NativeProcess;

beforeAll(async () => {
  stage = await openStage();
  project = join(stage.dir, "project");
  mkdirSync(join(project, "agent"), { recursive: true });
  writeFileSync(join(project, "agent", "main.py"), "print(1)\n");
  provider = await NativeProcess.start(stage.env, project, { defaultLabels: '{"stack":"dev"}' });
});
afterAll(async () => {
  provider?.close();
  await stage?.close();
});

const urnOf = (type: string, name: string) => `urn:pulumi:dev::p::opencomputer:index:${type}::${name}`;
const secret = (value: unknown) => ({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value });
const run = (...commands: string[]) => ({ type: "run", args: { commands } });

/** Checks and creates, as an `up` does. */
async function up(type: string, name: string, program: Json) {
  const facts = { urn: urnOf(type, name) };
  const { inputs, reasons } = await provider.check({}, program, facts);
  expect(reasons).toEqual([]);
  return { facts, inputs, ...(await provider.create(inputs, facts)) };
}

describe("secrets", () => {
  it("stay secret where they are told back, and make secret what is made of them", async () => {
    const image = { steps: [{ type: "env", args: { vars: { TOKEN: secret("s3cr3t") } } }] };
    const { facts, inputs, id, outs } = await up("Snapshot", "secret", { name: "secret", image });
    expect(inputs).toMatchObject({ image: secret(expect.anything()), contentHash: expect.any(String) });
    expect(outs).toMatchObject({ steps: secret(expect.anything()), files: secret({}), name: "secret" });
    const read = await provider.read(id, outs, { ...facts, oldInputs: inputs });
    expect(read).toEqual({ id, props: outs, inputs });
    expect(JSON.stringify(provider.lines)).not.toContain("s3cr3t");
  });

  it("are found again in a sandbox's environment", async () => {
    const { outs } = await up("Sandbox", "secret", { envs: { KEY: secret("s3cr3t"), A: "1" } });
    expect(outs).toMatchObject({ envs: { KEY: secret("s3cr3t"), A: "1" } });
  });

  it("of the configuration are marked, and its mistakes are told", async () => {
    const { inputs, failures } = await provider.checkConfig({ apiUrl: "https://x", apiKey: "k", logLevel: "loud" });
    expect({ inputs, failures }).toMatchObject({ inputs: { apiKey: secret("k") }, failures: ["logLevel"] });
  });
});

describe("previews", () => {
  it("know of a create what does not come from the server", async () => {
    const facts = { urn: urnOf("Snapshot", "new"), preview: true };
    const { inputs } = await provider.check({}, { name: "new", image: { steps: [run("print")] } }, facts);
    const { id, outs } = await provider.create(inputs, facts);
    expect({ id, outs }).toMatchObject({ id: "", outs: { name: "new", ref: inputs["ref"], record: UNKNOWN } });
    expect(outs).not.toHaveProperty("image");
  });

  it("know of an update what it leaves alone", async () => {
    const program = { name: "preview", image: { steps: [run("print 1")] } };
    const { facts, inputs, id, outs } = await up("Snapshot", "preview", program);
    const labelled = await provider.check(inputs, { ...program, labels: { a: "1" } }, facts);
    const rebuilt = await provider.check(inputs, { ...program, image: { steps: [run("print 2")] } }, facts);
    const preview = { ...facts, preview: true, oldInputs: inputs };
    expect(await provider.update(id, outs, labelled.inputs, preview)).toMatchObject({ record: outs["record"] });
    expect(await provider.update(id, outs, rebuilt.inputs, preview)).toMatchObject({ record: UNKNOWN });
  });

  it("name the steps and files that change, and what stays", async () => {
    const dir = { type: "add_local_dir", args: { localPath: "./agent", path: "/agent" } };
    const { facts, inputs, id, outs } = await up("Snapshot", "diff", { image: { steps: [run("print a"), dir] } });
    writeFileSync(join(project, "agent", "main.py"), "print(2)\n");
    const changed = { image: { steps: [run("print new"), run("print a"), dir] } };
    const { inputs: news } = await provider.check(inputs, changed, facts);
    const [addReplace, updateReplace] = [1, 5];
    expect(await provider.diff(id, outs, news, { ...facts, oldInputs: inputs })).toMatchObject({
      replaces: ["contentHash", "name"],
      detailed: {
        "image.steps[0]": addReplace,
        name: updateReplace,
        contentHash: updateReplace,
        'files["/agent/main.py"]': updateReplace,
      },
    });
  });

  it("keep what is unknown in an image, and say the rest", async () => {
    const image = { steps: [run("make"), run(UNKNOWN)] };
    const { inputs, failures } = await provider.check({}, { image }, { urn: urnOf("Snapshot", "unknown") });
    expect({ inputs, failures }).toMatchObject({ inputs: { image, contentHash: UNKNOWN }, failures: [] });
  });
});

describe("imports", () => {
  it("find a snapshot by its name, with inputs that a program can hold", async () => {
    const program = { name: "imported", image: { steps: [run("print i")] }, labels: { team: "data" } };
    const { facts, id, outs } = await up("Snapshot", "made", program);
    const found = await provider.read("imported", {}, { urn: urnOf("Snapshot", "found") });
    const image = { base: "base", steps: [run("print i")] };
    expect(found).toMatchObject({ id, inputs: { name: "imported", image }, props: { ref: outs["ref"] } });
    const { inputs: checked } = await provider.check(found.inputs, program, facts);
    expect(await provider.diff(id, found.props, checked, { ...facts, oldInputs: found.inputs })).toMatchObject({
      changes: 1,
      detailed: {},
    });
  });

  it("find a sandbox by its id", async () => {
    const { id } = await up("Sandbox", "made", { timeout: 60, tags: { a: "1" } });
    const found = await provider.read(id, {}, { urn: urnOf("Sandbox", "found") });
    expect(found).toMatchObject({ id, inputs: { timeout: 60, tags: { a: "1" } }, props: { sandboxId: id } });
  });

  it("find a checkpoint by its id, and a sandbox that was started from it", async () => {
    const { id: kept } = await up("Sandbox", "kept", { network: "none", cpuCount: 2, memoryMB: 512 });
    const { id, outs } = await up("Checkpoint", "made", { sandbox: kept, name: "moment" });
    const found = await provider.read(id, {}, { urn: urnOf("Checkpoint", "found") });
    expect(found).toMatchObject({ id, inputs: { sandbox: kept, name: "moment" }, props: outs });
    const { id: copy } = await up("Sandbox", "copy", { checkpoint: id, timeout: 60 });
    const { inputs } = await provider.read(copy, {}, { urn: urnOf("Sandbox", "found-copy") });
    expect(inputs).toEqual({ checkpoint: id, timeout: 60 });
    await stage.server.request("POST", `/api/sandboxes/${copy}/hibernate`);
    expect((await provider.read(copy, {}, { urn: urnOf("Sandbox", "asleep") })).props).toMatchObject({
      ...{ sandboxId: copy, status: "hibernated" },
    });
  });

  it("say where there is nothing", async () => {
    expect(await provider.read("nothing", {}, { urn: urnOf("Snapshot", "x") })).toEqual({
      id: "",
      props: {},
      inputs: {},
    });
  });
});

describe("local files", () => {
  it("start at the project's folder, and are told where they changed meanwhile", async () => {
    const facts = { urn: urnOf("Snapshot", "files") };
    const steps = [{ type: "add_local_file", args: { localPath: "./agent/main.py", path: "/main.py" } }];
    const { inputs } = await provider.check({}, { image: { steps } }, facts);
    writeFileSync(join(project, "agent", "main.py"), "print('changed')\n");
    await expect(provider.create(inputs, facts)).rejects.toThrow(/main\.py.*changed/s);
    expect(JSON.stringify(inputs)).not.toContain(project);
  });
});

it("ends an operation at the program's customTimeouts", async () => {
  const facts = { urn: urnOf("Snapshot", "slow"), timeoutSeconds: 1 };
  const { inputs } = await provider.check({}, { image: { steps: [run("wait for nobody")] } }, facts);
  await expect(provider.create(inputs, facts)).rejects.toThrow(/not done after 1 s/);
});

it("answers functions", async () => {
  await up("Snapshot", "looked-up", { name: "looked-up", image: { steps: [run("print f")] }, labels: { of: "f" } });
  const image = Image.base().runCommands("print f");
  const { result } = await provider.invoke("opencomputer:index:getSnapshot", { name: "looked-up" });
  expect(result).toMatchObject({ name: "looked-up", contentHash: image.cacheKey(), labels: { of: "f", stack: "dev" } });
  const { result: list } = await provider.invoke("opencomputer:index:listSnapshots", { labels: { of: "f" } });
  expect(list).toMatchObject({ snapshots: [{ name: "looked-up" }] });
  expect((await provider.invoke("opencomputer:index:getSnapshot", {})).failures).toEqual(["needs either name or ref"]);
});

it("says what it is", async () => {
  expect(await provider.schema()).toEqual(schema);
});

describe("the YAML example", () => {
  interface Program {
    readonly resources: Readonly<Record<string, { readonly type: string; readonly properties: Json }>>;
  }
  const source = join(repository, "examples", "yaml-native");

  it("says what the schema has, and runs", async () => {
    cpSync(join(source, "agent"), join(project, "agent"), { recursive: true });
    const { resources } = parse(readFileSync(join(source, "Pulumi.yaml"), "utf8")) as Program;
    const known: Record<string, Json> = { packages: [] as never };
    for (const [name, { type, properties }] of Object.entries(resources)) {
      const [, title = ""] = type.split(":");
      const token = `opencomputer:index:${title}` as keyof typeof schema.resources;
      const named = Object.keys(schema.resources[token].inputProperties);
      expect(named).toEqual(expect.arrayContaining(Object.keys(properties)));
      known[name] = (await up(title, name, fillIn(properties, known) as Json)).outs;
    }
    expect(known).toMatchObject({
      snapshot: { name: "yaml-agent", files: { "/etc/motd": expect.any(String) } },
      sandbox: { snapshot: known["snapshot"]?.["ref"], status: "running" },
    });
  });

  /** `${resource.property}`, as the YAML runtime does. */
  function fillIn(value: unknown, known: Record<string, Json>): unknown {
    if (Array.isArray(value)) return value.map((item) => fillIn(item, known));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fillIn(inner, known)]));
    }
    const [, name = "", property] = /^\$\{(\w+)(?:\.(\w+))?\}$/.exec(String(value)) ?? [];
    if (name === "") return value;
    return property === undefined ? known[name] : known[name]?.[property];
  }
});
