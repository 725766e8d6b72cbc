import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/hash";
import type { ImageManifest } from "../../src/image/image-manifest";
import { toDirContent } from "../../src/image/tree";
import { blobPath } from "../../src/server/store/blob-path";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import type { OrgStore, Store } from "../../src/server/store/store";
import { makeOldHome, oldSnapshot } from "./old-home";
import { sandboxRow } from "./sandbox-row";
import { checkpointRow, publish, wishFor } from "./snapshot-wish";

let home: string;
let store: Store;
let org: OrgStore;
let other: OrgStore;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "opencomputer-references-"));
  await reopen();
  for (const id of ["a", "b"]) await store.ensureOrganisation({ id, name: id });
});
afterEach(async () => {
  await store.close();
  await rm(home, { recursive: true, force: true });
});

async function reopen(): Promise<void> {
  await store?.close().catch(() => {});
  store = await openSqliteStore(join(home, "server.db"));
  [org, other] = [store.forOrg("a"), store.forOrg("b")];
}

const LATER = 1000;
const image = (contentHash: string, ...digests: string[]) => ({ contentHash, digests });
const touch = (of: OrgStore, ...digests: string[]) =>
  of.touchBlobs(
    digests.map((digest) => ({ digest, sizeBytes: 1 })),
    1,
  );
const left = async (of = org) => (await of.findBlobs(["d1", "d2", "tree"])).map((row) => row.digest).sort();
const build = (contentHash: string) => ({
  ...{ id: `build-${contentHash}`, contentHash, name: null, status: "running" as const, error: null, logPath: "/log" },
  ...{ startedAt: 1, finishedAt: null },
});
describe("the bytes of an accepted image", () => {
  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    [
      "a version of a snapshot, current or not",
      async () => {
        for (const hash of ["h", "next"]) await publish(org, wishFor("s", hash));
        await store.dropUnneeded();
      },
      () => org.snapshots.deleteName("s"),
    ],
    ["a version that is being made", () => org.snapshots.reserve(wishFor("s"), 1), () => org.snapshots.deleteName("s")],
    [
      "a cached image",
      async () => {
        await org.saveImage({ base: "base", steps: [] }, checkpointRow("c-h", "h"));
        await org.insertSandbox(sandboxRow("sb", { checkpointId: "c-h" }));
      },
      () => org.deleteSandbox("sb"),
    ],
    [
      "a running build",
      () => org.insertBuild(build("h")),
      () => org.finishBuild("build-h", { status: "failed", error: null, finishedAt: 2 }),
    ],
  ])("stay while %s names it, over a crash, and go with it", async (_what, name, forget) => {
    await touch(org, "d1", "d2", "tree");
    await org.referToBlobs(image("h", "d1", "tree"), 1);
    await name();
    await reopen();
    await store.dropUnneeded();
    await store.dropBlobs(LATER);
    expect(await left()).toEqual(["d1", "tree"]);
    await forget();
    await store.dropUnneeded();
    await store.dropBlobs(LATER);
    expect(await left()).toEqual([]);
  });

  it("stay for a while where no row names it yet, counted from the last time", async () => {
    await touch(org, "d1");
    await org.referToBlobs(image("h", "d1"), 1);
    await org.referToBlobs(image("h", "d1"), LATER);
    await store.dropBlobs(LATER);
    expect(await left()).toEqual(["d1"]);
    await store.dropBlobs(LATER + 1);
    expect(await left()).toEqual([]);
  });

  it("stay where another image needs them, and only for their organisation", async () => {
    for (const one of [org, other]) await touch(one, "d1");
    for (const hash of ["h1", "h2"]) {
      await org.referToBlobs(image(hash, "d1"), 1);
      await publish(org, wishFor(hash, hash));
    }
    await org.snapshots.deleteName("h1");
    await store.dropUnneeded();
    await store.dropBlobs(LATER);
    expect([await left(), await left(other)]).toEqual([["d1"], []]);
  });
});

describe("a home of the version before", () => {
  it("gets its references, those below trees and those of a tree that is lost included", async () => {
    const entries = Array.from({ length: 300 }, (_, index) => ({
      ...{ kind: "file" as const, path: `f${index}`, digest: digestOf(`file ${index}`), executable: false },
    }));
    const { tree } = toDirContent(entries);
    const lost = digestOf("lost");
    const manifest: ImageManifest = {
      base: "base",
      steps: [
        { type: "add_dir", args: { path: "/d", tree: tree?.digest ?? "" } },
        { type: "add_dir", args: { path: "/l", tree: lost } },
        { type: "add_file", args: { path: "/f", digest: digestOf("single"), executable: false } },
      ],
    };
    const path = blobPath(join(home, "blobs"), tree?.digest ?? "");
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, tree?.bytes ?? "");
    const needed = [...entries.map((entry) => entry.digest), tree?.digest ?? "", lost, digestOf("single")];
    await store.close();
    await rm(join(home, "server.db"));
    await makeOldHome(join(home, "server.db"), "0001_first", {
      snapshots: [oldSnapshot("h", { manifest: JSON.stringify(manifest) })],
      blobs: [...needed, digestOf("unneeded")].map((digest) => ({ org_id: "a", digest, size_bytes: 1, touched_at: 1 })),
    });
    await reopen();
    await store.dropBlobs(LATER);
    expect(await store.listBlobs()).toEqual(new Set(needed));
  });
});
