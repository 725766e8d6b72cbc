import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Stock } from "./store";
import type { Tables } from "./tables";

const QUERIES: Readonly<Record<Stock, (orgId: string) => RawBuilder<{ amount: number }>>> = {
  sandboxes: (orgId) => sql`select count(*) as amount from sandboxes
    where org_id = ${orgId} and status in ('running', 'hibernated')`,
  warm: (orgId) => sql`select coalesce(sum(warm_pool), 0) as amount from snapshots where org_id = ${orgId}`,
  snapshots: (orgId) => sql`select count(*) as amount from snapshot_versions where org_id = ${orgId}`,
  checkpoints: (orgId) => sql`select count(*) as amount from sandbox_checkpoints where org_id = ${orgId}`,
  blobBytes: (orgId) => sql`select coalesce(sum(size_bytes), 0) as amount from blobs where org_id = ${orgId}`,
};

/** See {@link OrgStore.count}. */
export async function countStock(db: Kysely<Tables>, orgId: string, stock: Stock): Promise<number> {
  const { rows } = await QUERIES[stock](orgId).execute(db);
  return rows[0]?.amount ?? 0;
}
