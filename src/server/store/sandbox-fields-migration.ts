import { addedColumns } from "./added-columns";

/** Gives sandboxes tags, a network policy and an owner. */
export const sandboxFieldsMigration = addedColumns("sandboxes", "tags", [
  "alter table sandboxes add column tags text not null default '{}'",
  "alter table sandboxes add column tags_updated_at integer",
  `alter table sandboxes add column network text not null default '"egress"'`,
  "alter table sandboxes add column owner text",
  // Whatever goes wrong elsewhere: an owner has one at most.
  `create unique index sandboxes_by_owner on sandboxes (org_id, owner)
    where owner is not null and status in ('creating', 'running')`,
]);
