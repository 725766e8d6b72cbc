import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UNKNOWN } from "../../provider/context";
import { Image } from "../../src/image/image";
import { until } from "../server/test-server";
import type { Json, ProviderProcess } from "./provider-process";
import { openStage, type Stage } from "./stage";

export type ResourceName = "snapshot" | "sandbox" | "checkpoint";

/** A host of the handlers, and how it spells what a program says. */
export interface ProviderHost {
  readonly start: (resource: ResourceName, env: Record<string, string>) => Promise<ProviderProcess>;
  readonly urn: (resource: ResourceName, name: string) => string;
  /** Inputs as they come to `check`, of an image's manifest (or {@link UNKNOWN}) and the other inputs. */
  readonly inputs: (urn: string, image: unknown, rest?: Json) => Json;
}

const NO_CHANGES = 1;
const CHANGES = 2;

/**
 * What every host must do with the handlers, over Pulumi's own wire: the host in a process of its own, the real server, an
 * engine below it that only pretends.
 */
export function describeConformance(host: string, { start, urn, inputs }: ProviderHost): void {
  describe(`${host} host`, () => {
    let stage: Stage;
    let snapshots: ProviderProcess;
    let sandboxes: ProviderProcess;
    let checkpoints: ProviderProcess;

    beforeAll(async () => {
      stage = await openStage();
      snapshots = await start("snapshot", stage.env);
      sandboxes = await start("sandbox", stage.env);
      checkpoints = await start("checkpoint", stage.env);
    });
    afterAll(async () => {
      snapshots?.close();
      sandboxes?.close();
      checkpoints?.close();
      await stage?.close();
    });

    /** A snapshot that stands, as the engine has recorded it. */
    async function createSnapshot(name: string, image: Image, rest: Json = {}) {
      const facts = { urn: urn("snapshot", name) };
      const { inputs: checked, failures } = await snapshots.check({}, inputs(facts.urn, image.toJSON(), rest), facts);
      expect(failures).toEqual([]);
      return { facts, checked, ...(await snapshots.create(checked, facts)) };
    }

    /** A sandbox that runs, as the engine has recorded it. */
    async function createSandbox(name: string, program: Json = {}) {
      const facts = { urn: urn("sandbox", name) };
      const { inputs: checked, reasons } = await sandboxes.check({}, inputs(facts.urn, undefined, program), facts);
      expect(reasons).toEqual([]);
      return { facts, checked, ...(await sandboxes.create(checked, facts)) };
    }

    it("tells a snapshot's life: check, create, diff, read, delete", async () => {
      const image = Image.base().runCommands("print hello");
      const { facts, checked, id, outs } = await createSnapshot("life", image);
      expect(checked).toMatchObject({
        contentHash: image.cacheKey(),
        name: expect.stringMatching(/^life-[0-9a-f]{7}$/),
      });
      expect(outs).toMatchObject({ contentHash: image.cacheKey(), record: { status: "ready", version: 1 } });
      expect(snapshots.lines.filter((line) => line.urn === facts.urn)).not.toEqual([]);

      const oldInputs = checked;
      expect(await snapshots.diff(id, outs, checked, { ...facts, oldInputs })).toMatchObject({ changes: NO_CHANGES });
      expect(await snapshots.read(id, outs, { ...facts, oldInputs })).toMatchObject({ id, props: outs });
      await snapshots.delete(id, outs, facts);
      await snapshots.delete(id, outs, facts);
      expect((await snapshots.read(id, outs, { ...facts, oldInputs })).id).toBe("");
    });

    it("makes a changed image a new version of an explicit name", async () => {
      const first = await createSnapshot("versions", Image.base().runCommands("print 1"), { name: "versions" });
      const { facts } = first;
      const image = Image.base().runCommands("print 2").toJSON();
      const news = inputs(facts.urn, image, { name: "versions", labels: { team: "data" } });
      const { inputs: checked } = await snapshots.check(first.checked, news, facts);
      const oldInputs = first.checked;
      const diff = await snapshots.diff(first.id, first.outs, checked, { ...facts, oldInputs });
      expect(diff).toMatchObject({ changes: CHANGES, replaces: [] });
      const outs = await snapshots.update(first.id, first.outs, checked, { ...facts, oldInputs });
      expect(outs).toMatchObject({ record: { version: 2 }, labels: { team: "data" } });
      const pooled = { ...checked, warmPool: 1 };
      const told = { ...facts, oldInputs: checked };
      expect(await snapshots.diff(first.id, outs, pooled, told)).toMatchObject({ changes: CHANGES, replaces: [] });
      const warm = await snapshots.update(first.id, outs, pooled, told);
      expect(warm).toMatchObject({ record: outs["record"], warmPool: 1 });
      expect(await snapshots.read(first.id, warm, { ...facts, oldInputs: pooled })).toMatchObject({ props: warm });
      expect(await snapshots.read(first.id, outs, { ...facts, oldInputs: checked })).toMatchObject({ props: outs });
    });

    it("leaves the unknown unknown", async () => {
      const facts = { urn: urn("snapshot", "unknown") };
      const { inputs: checked } = await snapshots.check({}, inputs(facts.urn, UNKNOWN), facts);
      expect(checked).toMatchObject({ contentHash: UNKNOWN, name: UNKNOWN, ref: UNKNOWN });
      const olds = { contentHash: "a", name: "b" };
      expect(await snapshots.diff("id", olds, checked, { ...facts, oldInputs: olds })).toMatchObject({
        changes: CHANGES,
        replaces: ["contentHash", "name"],
      });
    });

    it("finds what a create made whose answer was lost", async () => {
      const { facts, checked, id } = await createSnapshot("lost", Image.base().runCommands("print lost"));
      expect(await snapshots.create(checked, facts)).toMatchObject({ id });
    });

    it("says all that is wrong with an image, in the program's words", async () => {
      const facts = { urn: urn("snapshot", "wrong") };
      const image = {
        base: "base",
        steps: [
          { type: "workdir", args: { path: "x" } },
          { type: "nonsense", args: {} },
        ],
      };
      const { failures } = await snapshots.check({}, inputs(facts.urn, image, { stepTimeoutSeconds: 0 }), facts);
      expect(failures).toEqual(["stepTimeoutSeconds", "image.steps[0].args.path", "image.steps[1].type"]);
    });

    it("shows the reason of a failed build, and leaves nothing", async () => {
      await expect(createSnapshot("broken", Image.base().runCommands("fail"), { name: "broken" })).rejects.toThrow(
        /step 1/,
      );
      expect(await (await stage.server.request("GET", "/api/snapshots")).text()).not.toContain("broken");
    });

    it("names an endpoint that is not configured", async () => {
      await expect(createSnapshot("elsewhere", Image.base(), { endpoint: "mars" })).rejects.toThrow(
        /no endpoint.*mars/,
      );
    });

    it("tells a sandbox's life, with updates in place", async () => {
      const snapshot = await createSnapshot("box", Image.base().runCommands("print box"), { name: "box" });
      const program = { snapshot: snapshot.outs["ref"], envs: { A: "1" }, timeout: 60 };
      const { facts, checked, id, outs } = await createSandbox("box", program);
      expect(outs).toMatchObject({ sandboxId: id, status: "running", snapshot: snapshot.outs["ref"] });

      const changed = { ...program, timeout: 120, tags: { team: "data" } };
      const { inputs: news } = await sandboxes.check(checked, inputs(facts.urn, undefined, changed), facts);
      const diff = await sandboxes.diff(id, outs, news, { ...facts, oldInputs: checked });
      expect(diff).toMatchObject({ changes: CHANGES, replaces: [] });
      const updated = await sandboxes.update(id, outs, news, { ...facts, oldInputs: checked });
      expect(updated).toMatchObject({ sandboxId: id, timeout: 120, tags: { team: "data" } });
      const other = { ...news, envs: { A: "2" } };
      const replaced = await sandboxes.diff(id, updated, other, { ...facts, oldInputs: news });
      expect(replaced).toMatchObject({ changes: CHANGES, replaces: ["envs"] });

      await sandboxes.delete(id, updated, facts);
      expect((await sandboxes.read(id, updated, { ...facts, oldInputs: news })).id).toBe("");
    });

    it("keeps a sandbox that hibernates, without a change", async () => {
      const { facts, checked, id, outs } = await createSandbox("sleeper", { timeout: 60 });
      await stage.server.request("POST", `/api/sandboxes/${id}/hibernate`);
      const read = await sandboxes.read(id, outs, { ...facts, oldInputs: checked });
      expect(read).toMatchObject({ id, props: { ...outs, status: "hibernated" } });
      const diff = await sandboxes.diff(id, read.props, checked, { ...facts, oldInputs: checked });
      expect(diff).toMatchObject({ changes: NO_CHANGES, replaces: [] });
    });

    it("tells a checkpoint's life, and starts a sandbox from it", async () => {
      const sandbox = await createSandbox("kept", { envs: { A: "1" } });
      const facts = { urn: urn("checkpoint", "moment") };
      const program = { sandbox: sandbox.id, triggers: ["1"] };
      const { inputs: checked } = await checkpoints.check({}, inputs(facts.urn, undefined, program), facts);
      expect(checked).toMatchObject({ name: expect.stringMatching(/^moment-[0-9a-f]{7}$/), kind: "disk_only" });
      const { id, outs } = await checkpoints.create(checked, facts);
      expect(outs).toMatchObject({ ...program, checkpointId: id, status: "ready", sizeBytes: expect.any(Number) });
      const told = { ...facts, oldInputs: checked };
      expect(await checkpoints.diff(id, outs, checked, told)).toMatchObject({ changes: NO_CHANGES });
      expect(await checkpoints.read(id, outs, told)).toMatchObject({ id, props: outs });

      const copy = await createSandbox("copy", { checkpoint: id, envs: { B: "2" } });
      expect(copy.outs).toMatchObject({ sandboxId: copy.id, status: "running", checkpoint: id });
      await sandboxes.delete(sandbox.id, sandbox.outs, sandbox.facts);
      expect(await checkpoints.read(id, outs, told)).toMatchObject({ id, props: outs });
      await checkpoints.delete(id, outs, facts);
      await checkpoints.delete(id, outs, facts);
      expect((await checkpoints.read(id, outs, told)).id).toBe("");
      expect((await sandboxes.read(copy.id, copy.outs, { ...copy.facts, oldInputs: copy.checked })).id).toBe(copy.id);
    });

    it("takes another moment for a trigger, and knows its own where an answer was lost", async () => {
      const { id: sandbox } = await createSandbox("moments");
      const facts = { urn: urn("checkpoint", "again") };
      const check = (olds: Json, program: Json) =>
        checkpoints.check(olds, inputs(facts.urn, undefined, { sandbox, ...program }), facts);
      const { inputs: first } = await check({}, { triggers: ["1"] });
      const lost = await checkpoints.create(first, facts);
      const found = await checkpoints.create(first, facts);
      const known = (await (
        await stage.server.request("GET", `/api/sandboxes/${sandbox}/checkpoints`)
      ).json()) as Json[];
      expect({ known, isNew: found.id !== lost.id }).toMatchObject({ known: [{ id: found.id }], isNew: true });
      const { inputs: second } = await check(first, { triggers: ["2"] });
      const diff = await checkpoints.diff(found.id, found.outs, second, { ...facts, oldInputs: first });
      expect(diff).toMatchObject({ changes: CHANGES, replaces: ["triggers", "name"] });
      const next = await checkpoints.create(second, facts);
      expect(next.outs["name"]).not.toBe(found.outs["name"]);
    });

    it("leaves the unknown of a checkpoint unknown, and says all that is wrong with one", async () => {
      const facts = { urn: urn("checkpoint", "wrong") };
      const check = (program: Json) => checkpoints.check({}, inputs(facts.urn, undefined, program), facts);
      expect((await check({ sandbox: UNKNOWN })).inputs).toMatchObject({ sandbox: UNKNOWN, kind: "disk_only" });
      expect((await check({ kind: "half", name: "" })).failures).toEqual(["sandbox", "name", "kind"]);
      const program = inputs(urn("sandbox", "wrong"), undefined, {
        snapshot: UNKNOWN,
        checkpoint: "c",
        network: "none",
      });
      const { failures } = await sandboxes.check({}, program, { urn: urn("sandbox", "wrong") });
      expect(failures).toEqual(["checkpoint", "network"]);
    });

    /** A process of its own, and what becomes of its build, which never ends by itself. */
    async function whileBuilding(name: string, end: (provider: ProviderProcess, creation: Promise<string>) => unknown) {
      const provider = await start("snapshot", stage.env);
      try {
        const facts = { urn: urn("snapshot", name) };
        const image = Image.base().runCommands("wait for ever", name).toJSON();
        const { inputs: checked } = await provider.check({}, inputs(facts.urn, image), facts);
        const creation = provider.create(checked, facts).then(() => "created", String);
        await until("the build runs", () => stage.server.engine.building === 1);
        await end(provider, creation);
        await until("the build is over", () => stage.server.engine.building === 0);
      } finally {
        provider.close();
      }
    }

    it("ends a running build when the engine cancels", () =>
      whileBuilding("cancelled", async (provider, creation) => {
        await provider.cancel();
        expect(await creation).toMatch(/aborted|cancelled|given up/);
      }));

    it("ends with its engine, and so do its builds", () => whileBuilding("orphan", (provider) => provider.abandon()));
  });
}
