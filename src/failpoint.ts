/**
 * Named places at which a test may end this process as a crash does: at once, with nothing cleaned up. They stand where
 * something durable has just been done, or is about to be. `npm run torture -- kills` comes to each of them.
 */
export const FAILPOINTS = [
  "base.copied",
  "base.layered",
  "blob.received",
  "blob.published",
  "build.noted",
  "build.made",
  "build.saved",
  "checkpoint.reserved",
  "checkpoint.frozen",
  "checkpoint.copied",
  "checkpoint.kept",
  "checkpoint.taken",
  "checkpoint.completed",
  "collect.rows",
  "collect.memories",
  "collect.grave",
  "collect.layers",
  "collect.blobs",
  "container.wired",
  "container.booted",
  "container.ended",
  "create.started",
  "create.recorded",
  "delete.destroyed",
  "delete.noted",
  "flatten.merged",
  "flatten.adopted",
  "fork.kept",
  "hibernate.slept",
  "layer.written",
  "layer.synced",
  "layer.renamed",
  "memory.saved",
  "memory.synced",
  "memory.renamed",
  "memory.shared",
  "move.written",
  "move.staged",
  "move.layered",
  "network.claimed",
  "network.made",
  "restore.promised",
  "restore.buried",
  "restore.created",
  "sandbox.made",
  "sandbox.buried",
  "sleep.written",
  "sleep.ended",
  "sleep.settled",
  "snapshot.reserved",
  "snapshot.built",
  "snapshot.published",
  "snapshot.promoted",
  "snapshot.deleted",
  "start.engine",
  "start.settled",
  "step.begun",
  "step.ended",
  "wake.begun",
  "wake.started",
  "wake.written",
  "wake.woken",
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

/** What `OPENCOMPUTER_FAILPOINT` says: `NAME`, or `NAME:3` for the third time that the process comes there. */
const [armed, times = "1"] = (process.env["OPENCOMPUTER_FAILPOINT"] ?? "").split(":");
let left = Number(times);

/** Ends the process where this place is the one that the environment names; else does nothing. */
export function failpoint(name: Failpoint): void {
  if (name !== armed) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
}
