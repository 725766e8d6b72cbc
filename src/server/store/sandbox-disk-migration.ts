import { addedColumns } from "./added-columns";

/** Gives sandboxes a disk quota and a reason why they stopped. */
export const sandboxDiskMigration = addedColumns("sandboxes", "disk_mb", [
  "alter table sandboxes add column disk_mb integer",
  "alter table sandboxes add column stop_reason text",
]);
