import { addedColumns } from "./added-columns";

/** Numbers versions in the order in which they were superseded: moments do not tell it, because clocks are set. */
export const supersededOrderMigration = addedColumns("snapshot_versions", "superseded_seq", [
  "alter table snapshot_versions add column superseded_seq integer",
  `update snapshot_versions set superseded_seq = (
    select count(*) from snapshot_versions v
    where v.snapshot_id = snapshot_versions.snapshot_id
      and (v.superseded_at, v.version) <= (snapshot_versions.superseded_at, snapshot_versions.version))
    where superseded_at is not null`,
]);
