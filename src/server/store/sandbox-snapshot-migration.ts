import { addedColumns } from "./added-columns";

/**
 * Tells sandboxes which snapshot they are of, by more than its name: a name that is given again is another's, and moments
 * do not tell which, because clocks are set.
 */
export const sandboxSnapshotMigration = addedColumns("sandboxes", "snapshot_id", [
  "alter table sandboxes add column snapshot_id text",
  `update sandboxes set snapshot_id = (
    select id from snapshots s
    where s.org_id = sandboxes.org_id and s.name = sandboxes.snapshot and s.created_at <= sandboxes.started_at)`,
]);
