import { type Kysely, sql } from "kysely";
import type { Tables } from "./tables";

/**
 * Removes superseded versions that their name's retention no longer keeps: beyond the `keepLast` that were superseded
 * last, or superseded longer ago than `ttlSeconds`. What is current, has a tag, or is no finished build stays.
 *
 * @param snapshotId only of this name; default: of all
 */
export async function dropSuperseded(db: Kysely<Tables>, now: number, snapshotId: string | null = null): Promise<void> {
  await sql`delete from snapshot_versions where seq in (
    select seq from (
      select v.seq, v.superseded_at,
        row_number() over (partition by v.snapshot_id order by v.superseded_seq desc, v.version desc) as place,
        coalesce(s.retention ->> 'keepLast', 1) as keep_last, s.retention ->> 'ttlSeconds' as ttl_seconds
      from snapshot_versions v join snapshots s on s.id = v.snapshot_id
      where v.status = 'ready' and v.version <> s.current_version
        and (${snapshotId} is null or s.id = ${snapshotId})
        and not exists (select 1 from snapshot_tags t where t.snapshot_id = v.snapshot_id and t.version = v.version))
    where place > keep_last or superseded_at + ttl_seconds * 1000 <= ${now})`.execute(db);
}
