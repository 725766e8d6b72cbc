import { type Kysely, sql } from "kysely";
import type { BlobReferences, BlobRow } from "./store";
import type { Tables } from "./tables";

/**
 * Who has which bytes, and what needs them. The bytes that an image needs follow from its content hash, so references
 * hang on the hash and not on each row: they stay while any row of the organisation names it.
 */

/** See {@link OrgStore.touchBlobs}. */
export async function touchBlobs(db: Kysely<Tables>, orgId: string, blobs: readonly BlobRow[], now: number) {
  await sql`insert into blobs (org_id, digest, size_bytes, touched_at)
    select ${orgId}, value ->> 'digest', value ->> 'sizeBytes', ${now} from json_each(${JSON.stringify(blobs)})
    where true on conflict (org_id, digest) do update set touched_at = ${now}`.execute(db);
}

/** See {@link OrgStore.findBlobs}. */
export async function findBlobs(db: Kysely<Tables>, orgId: string, digests: readonly string[]): Promise<BlobRow[]> {
  const found = await sql<BlobRow>`select digest, size_bytes as "sizeBytes" from blobs
    where org_id = ${orgId} and digest in (select value from json_each(${JSON.stringify(digests)}))`.execute(db);
  return found.rows;
}

/** See {@link OrgStore.referToBlobs}. Run it in a transaction. */
export async function insertReferences(db: Kysely<Tables>, orgId: string, image: BlobReferences, now: number) {
  const { id } = await db
    .insertInto("accepted_images")
    .values({ org_id: orgId, content_hash: image.contentHash, accepted_at: now })
    .onConflict((clash) => clash.columns(["org_id", "content_hash"]).doUpdateSet({ accepted_at: now }))
    .returning("id")
    .executeTakeFirstOrThrow();
  await sql`insert or ignore into blob_references (image_id, digest)
    select ${id}, value from json_each(${JSON.stringify(image.digests)})`.execute(db);
}

/** See {@link Store.dropBlobs}. */
export async function dropBlobs(db: Kysely<Tables>, before: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`delete from accepted_images where accepted_at < ${before} and (org_id, content_hash) not in (
      select org_id, content_hash from images
      union select org_id, content_hash from snapshot_versions
      union select org_id, content_hash from builds where status = 'running')`.execute(tx);
    await sql`delete from blobs where touched_at < ${before} and not exists (
      select 1 from blob_references join accepted_images on accepted_images.id = image_id
      where blob_references.digest = blobs.digest and accepted_images.org_id = blobs.org_id)`.execute(tx);
  });
}
