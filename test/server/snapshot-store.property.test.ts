import fc from "fast-check";
import { expect, it } from "vitest";
import { isOpenComputerError } from "../../src/errors";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { OrgStore, Store } from "../../src/server/store/store";
import { SnapshotModel } from "./snapshot-model";
import { publish, wishFor } from "./snapshot-wish";

const hash = fc.constantFrom("h1", "h2", "h3", "h4", "h5");
const version = fc.integer({ min: 1, max: 6 });
const tag = fc.constantFrom("x", "y");
const retention = fc.record(
  { keepLast: fc.integer({ min: 0, max: 3 }), ttlSeconds: fc.integer({ min: 1, max: 3 }) },
  { requiredKeys: [] },
);
const deed = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("publish" as const), hash }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("promote" as const), version }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reserve" as const), hash }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fail" as const), version }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tag" as const), version, tag }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("untag" as const), tag }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), version }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retain" as const), retention }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const) }) },
);
const steps = fc.array(fc.record({ deed, passedMs: fc.constantFrom(0, 1, 900, 1500) }), { maxLength: 25 });

it("whatever is done in whatever order, a name has the versions that the model has", { timeout: 60_000 }, async () => {
  // In memory: what is asked here is what it does, not whether it lasts.
  const store = await openSqliteStore(":memory:");
  let runs = 0;
  const oneRun = async (plan: Plan) => {
    runs += 1;
    await store.ensureOrganisation({ id: `org-${runs}`, name: "one" });
    await compare(store, store.forOrg(`org-${runs}`), plan);
  };
  await fc.assert(fc.asyncProperty(steps, oneRun), { numRuns: 150, interruptAfterTimeLimit: 30_000 });
  await store.close();
});

type Plan = typeof steps extends fc.Arbitrary<infer T> ? T : never;
type Deed = Plan[number]["deed"];

async function compare(store: Store, org: OrgStore, plan: Plan): Promise<void> {
  const model = new SnapshotModel();
  let now = 1;
  for (const step of plan) {
    now += step.passedMs;
    const expected = doToModel(model, step.deed, now);
    expect(await doToStore(store, org, step.deed, now)).toEqual(expected);
    const rows = await org.snapshots.listVersions("s");
    const seen = rows.map(({ version, contentHash, status, current, tags }) => ({
      ...{ version, contentHash, status, current, tags },
    }));
    expect(seen).toEqual(model.see());
    expect(rows.filter((row) => row.current)).toHaveLength(rows.length === 0 ? 0 : 1);
    const isAnyReady = rows.some((row) => row.status === "ready");
    if (isAnyReady) expect(rows.find((row) => row.current)?.status).toBe("ready");
  }
}

function doToModel(model: SnapshotModel, deed: Deed, now: number): unknown {
  switch (deed.kind) {
    case "publish":
      return model.publish(deed.hash, now);
    case "reserve":
      return void model.reserve(deed.hash);
    case "fail":
      return model.fail(deed.version);
    case "promote":
      return model.promote(deed.version, now);
    case "tag":
      return model.tag(deed.version, deed.tag);
    case "untag":
      return model.untag(deed.tag);
    case "delete":
      return model.deleteVersion(deed.version);
    case "retain":
      if (model.see().length > 0) model.retention = deed.retention;
      return undefined;
    case "sweep":
      return model.sweep(now);
  }
}

async function doToStore(store: Store, org: OrgStore, deed: Deed, now: number): Promise<unknown> {
  const { snapshots } = org;
  const [any] = await snapshots.listVersions("s");
  const key = (number: number) => ({ id: any?.id ?? "none", version: number });
  switch (deed.kind) {
    case "publish":
      return void (await publish(org, wishFor("s", deed.hash), now));
    case "reserve":
      return void (await snapshots.reserve(wishFor("s", deed.hash), now));
    case "fail":
      return await snapshots.fail(key(deed.version), { error: { error: "no" }, buildId: null });
    case "promote":
      return await snapshots.promote(key(deed.version), now);
    case "tag":
      return await snapshots.tag(key(deed.version), deed.tag);
    case "untag":
      return await snapshots.untag("s", deed.tag);
    case "delete":
      return await snapshots.deleteVersion(key(deed.version)).catch((error: unknown) => {
        if (isOpenComputerError(error, "conflict")) return "conflict";
        throw error;
      });
    case "retain":
      return void (await snapshots.change("s", { retention: deed.retention }));
    case "sweep":
      return await store.dropSuperseded(now);
  }
}
