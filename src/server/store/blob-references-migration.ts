import { readFile } from "node:fs/promises";
import { type Migration, sql } from "kysely";
import type { ImageManifest } from "../../image/image-manifest";
import { allDigests, namedDigests } from "../../image/tree";
import { blobPath } from "./blob-path";
import { insertReferences } from "./sqlite-blobs";

const SCHEMA = [
  `create table accepted_images (
    id integer primary key, org_id text not null references organisations (id), content_hash text not null,
    accepted_at integer not null, unique (org_id, content_hash))`,

  `create table blob_references (
    image_id integer not null references accepted_images (id) on delete cascade, digest text not null,
    primary key (image_id, digest)) without rowid`,
  "create index blob_references_by_digest on blob_references (digest)",
] as const;

/**
 * Makes the tables of references and fills them for the images and snapshots of an older home. That needs the trees,
 * which lie in the folder of blobs; one that is not there, or is none, refers to nothing, and its image cannot be built
 * without a new upload anyway.
 */
export function blobReferencesMigration(blobDir: string): Migration {
  const readTree = (digest: string) => readFile(blobPath(blobDir, digest));
  const digestsOf = async ({ base, steps }: ImageManifest) => {
    const manifests = steps.map((step) => ({ base, steps: [step] }));
    const read = manifests.map((manifest) => allDigests(manifest, readTree).catch(() => namedDigests(manifest)));
    return [...new Set((await Promise.all(read)).flat())];
  };
  return {
    async up(db) {
      for (const statement of SCHEMA) await sql.raw(statement).execute(db);
      const known = await sql<{ org_id: string; content_hash: string; manifest: string }>`
        select org_id, content_hash, manifest from images
        union select org_id, content_hash, manifest from snapshots`.execute(db);
      for (const row of known.rows) {
        const digests = await digestsOf(JSON.parse(row.manifest) as ImageManifest);
        await insertReferences(db, row.org_id, { contentHash: row.content_hash, digests }, 0);
      }
    },
  };
}
