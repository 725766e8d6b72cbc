import type { CheckpointInfo } from "../api/records";
import { formatSize } from "../image/format-size";
import { toMinute } from "./format-cell";
import type { Column } from "./format-table";

/** How lists show checkpoints. The first column is what `rm` and `fork` take. */
export const CHECKPOINT_COLUMNS: readonly Column<CheckpointInfo>[] = [
  { head: "CHECKPOINT", cell: ({ sandboxId, name }) => `${sandboxId}/${name}` },
  { head: "KIND", cell: ({ kind }) => kind },
  { head: "STATUS", cell: ({ status }) => status },
  { head: "SIZE", cell: ({ status, sizeBytes }) => (status === "ready" ? formatSize(sizeBytes) : undefined) },
  { head: "CREATED", cell: ({ createdAt }) => toMinute(createdAt) },
  { head: "ID", cell: ({ id }) => id },
  { head: "ERROR", cell: ({ errorMsg }) => errorMsg?.split("\n")[0], optional: true },
];
