import { snapshotRefSchema } from "../../api/schemas";
import type { SnapshotRef } from "../store/snapshot-store";

/**
 * What a reference means; undefined where it is none.
 *
 * @example parseSnapshotRef("agent@3") // { name: "agent", kind: "version", version: 3 }
 */
export function parseSnapshotRef(text: string): SnapshotRef | undefined {
  if (!snapshotRefSchema.safeParse(text).success) return undefined;
  const [name = "", after = ""] = text.split(/[@:]/);
  if (text.includes(":")) return { name, kind: "tag", tag: after };
  if (!text.includes("@")) return { name, kind: "current" };
  // Digits of a hash are at least eight.
  return after.length < 8 ? { name, kind: "version", version: Number(after) } : { name, kind: "hash", digits: after };
}
