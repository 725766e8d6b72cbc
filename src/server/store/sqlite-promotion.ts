import { randomUUID } from "node:crypto";
import type { Selectable, Transaction } from "kysely";
import { OpenComputerError } from "../../errors";
import { type BuiltVersion, nameTaken, type SnapshotWish, type VersionKey } from "./snapshot-store";
import { dropSuperseded } from "./sqlite-retention";
import type { Tables } from "./tables";

/** How versions come to be and become current. Each function runs inside the transaction that it is given. */

type Tx = Transaction<Tables>;
type NameRow = Selectable<Tables["snapshots"]>;
type VersionRow = Selectable<Tables["snapshot_versions"]>;

/** See {@link SnapshotStore.reserve}. */
export async function reserveVersion(tx: Tx, orgId: string, wish: SnapshotWish, now: number): Promise<VersionKey> {
  const name = await takeName(tx, orgId, wish, now);
  const same = await sameContent(tx, name, wish.contentHash);
  if (same === undefined) return await addVersion(tx, name, wish, now);
  // Only a failure has to be tried anew; what is ready stays so, and is promoted when the build says so.
  if (same.status === "failed") await setVersion(tx, toKey(same), { status: "building", error: null });
  return toKey(same);
}

/** See {@link SnapshotStore.publish}. */
export async function publishVersion(
  tx: Tx,
  orgId: string,
  wish: SnapshotWish,
  built: BuiltVersion,
  now: number,
): Promise<VersionKey> {
  const { reserved, checkpointId, buildId } = built;
  if (reserved && !(await hasName(tx, reserved.id))) throw deletedMeanwhile(wish.name);
  const name = await takeName(tx, orgId, reserved ? { ...wish, isNew: false } : wish, now);
  const same = await sameContent(tx, name, wish.contentHash);
  const key = same ? toKey(same) : await addVersion(tx, name, wish, now);
  await setVersion(tx, key, { status: "ready", error: null, checkpoint_id: checkpointId, build_id: buildId });
  await describeName(tx, name.id, wish);
  await dropFailures(tx, name.id);
  await promoteVersion(tx, key, now);
  return key;
}

/** Points the name at a version; the one before is superseded, and what the retention does not keep goes. */
export async function promoteVersion(tx: Tx, { id, version }: VersionKey, now: number): Promise<void> {
  const { current_version: before } = await tx
    .selectFrom("snapshots")
    .select("current_version")
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  if (before !== version)
    await setVersion(
      tx,
      { id, version: before },
      { superseded_at: now, superseded_seq: await nextSupersededSeq(tx, id) },
    );
  await tx.updateTable("snapshots").set({ current_version: version }).where("id", "=", id).execute();
  await dropSuperseded(tx, now, id);
}

/** After all that were superseded before, wherever the clock was then. */
async function nextSupersededSeq(tx: Tx, id: string): Promise<number> {
  const versions = tx.selectFrom("snapshot_versions").where("snapshot_id", "=", id);
  const { last } = await versions.select(tx.fn.max("superseded_seq").as("last")).executeTakeFirstOrThrow();
  return Number(last ?? 0) + 1;
}

/** The name as it is, or made. @throws conflict where it must be new and is not */
async function takeName(tx: Tx, orgId: string, wish: SnapshotWish, now: number): Promise<NameRow> {
  const known = tx.selectFrom("snapshots").selectAll().where("org_id", "=", orgId).where("name", "=", wish.name);
  const found = await known.executeTakeFirst();
  if (found === undefined) return await addName(tx, orgId, wish, now);
  if (!wish.isNew) return found;
  const same = await sameContent(tx, found, wish.contentHash);
  // Who began at the same time and was done first made what is wanted here.
  if (same !== undefined && same.status !== "failed" && found.owner === (wish.owner ?? null)) return found;
  if (!(await hasFailed(tx, found))) throw nameTaken(found.name);
  // A build that failed does not keep its name.
  await tx.deleteFrom("snapshots").where("id", "=", found.id).execute();
  return await addName(tx, orgId, wish, now);
}

async function addName(tx: Tx, orgId: string, wish: SnapshotWish, now: number): Promise<NameRow> {
  const { name, labels = {}, retention, owner = null, warmPool: warm_pool = 0 } = wish;
  const row = {
    ...{
      id: randomUUID(),
      org_id: orgId,
      name,
      current_version: 1,
      next_version: 1,
      owner,
      warm_pool,
      created_at: now,
    },
    ...{ labels: JSON.stringify(labels), retention: retention ? JSON.stringify(retention) : null },
  };
  await tx.insertInto("snapshots").values(row).execute();
  return row;
}

/** What the request says of the name; what it does not mention stays. */
async function describeName(tx: Tx, id: string, { labels, retention, owner, warmPool }: SnapshotWish): Promise<void> {
  const change = {
    ...(owner === undefined ? {} : { owner }),
    ...(labels ? { labels: JSON.stringify(labels) } : {}),
    ...(retention ? { retention: JSON.stringify(retention) } : {}),
    ...(warmPool === undefined ? {} : { warm_pool: warmPool }),
  };
  if (Object.keys(change).length > 0) await tx.updateTable("snapshots").set(change).where("id", "=", id).execute();
}

async function addVersion(tx: Tx, name: NameRow, wish: SnapshotWish, now: number): Promise<VersionKey> {
  const { next_version: version } = await tx
    .selectFrom("snapshots")
    .select("next_version")
    .where("id", "=", name.id)
    .executeTakeFirstOrThrow();
  await tx
    .insertInto("snapshot_versions")
    .values({
      ...{ snapshot_id: name.id, org_id: name.org_id, version, status: "building", content_hash: wish.contentHash },
      ...{ manifest: JSON.stringify(wish.manifest), created_at: now },
    })
    .execute();
  await tx
    .updateTable("snapshots")
    .set({ next_version: version + 1 })
    .where("id", "=", name.id)
    .execute();
  return { id: name.id, version };
}

async function sameContent(tx: Tx, name: NameRow, contentHash: string): Promise<VersionRow | undefined> {
  const versions = tx.selectFrom("snapshot_versions").selectAll().where("snapshot_id", "=", name.id);
  return await versions.where("content_hash", "=", contentHash).executeTakeFirst();
}

async function setVersion(tx: Tx, { id, version }: VersionKey, change: Partial<VersionRow>): Promise<void> {
  const rows = tx.updateTable("snapshot_versions").set(change).where("snapshot_id", "=", id);
  await rows.where("version", "=", version).execute();
}

/** Once another version is made, nobody needs to be told any more why one before could not be. */
async function dropFailures(tx: Tx, id: string): Promise<void> {
  const rows = tx.deleteFrom("snapshot_versions").where("snapshot_id", "=", id);
  await rows.where("status", "=", "failed").execute();
}

async function hasName(tx: Tx, id: string): Promise<boolean> {
  return (await tx.selectFrom("snapshots").select("id").where("id", "=", id).executeTakeFirst()) !== undefined;
}

async function hasFailed(tx: Tx, { id, current_version }: NameRow): Promise<boolean> {
  const rows = tx.selectFrom("snapshot_versions").select("status").where("snapshot_id", "=", id);
  return (await rows.where("version", "=", current_version).executeTakeFirst())?.status === "failed";
}

function toKey(row: VersionRow): VersionKey {
  return { id: row.snapshot_id, version: row.version };
}

function deletedMeanwhile(name: string): OpenComputerError {
  return new OpenComputerError("build_cancelled", `snapshot ${name} was deleted while it was built`);
}
