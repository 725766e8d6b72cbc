import { fromErrorJson, OpenComputerError } from "../../errors";
import type { SnapshotRow } from "../store/snapshot-store";
import type { BuildRow } from "../store/store";
import { readBuildLog } from "./build-log";
import type { PendingSnapshot } from "./snapshot-creation";

/** A build that is over, as if one had waited for it. */
export function pastSnapshot(row: SnapshotRow | undefined, build: BuildRow | undefined): PendingSnapshot {
  const result = row?.status === "ready" ? Promise.resolve(row) : Promise.reject(pastFailure(row, build));
  result.catch(() => {});
  return {
    events: async function* (from) {
      if (build !== undefined) yield* readBuildLog(build.logPath, from);
    },
    result,
    leave: () => {},
  };
}

/** A build that succeeded for a version that is no more has no error of its own. */
function pastFailure(row: SnapshotRow | undefined, build: BuildRow | undefined): OpenComputerError {
  const reason = row?.error ?? build?.error;
  if (reason) return fromErrorJson(reason, "build_failed");
  return new OpenComputerError("not_found", `snapshot not found: ${row?.name ?? build?.name ?? "it was deleted"}`);
}
