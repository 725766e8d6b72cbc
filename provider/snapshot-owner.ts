import { z } from "zod";
import { sha256Hex } from "../src/image/hash";
import type { Properties } from "./context";

/**
 * Who a snapshot belongs to: the resource, by its URN, and how often it has claimed it. The count tells the old one of a
 * replacement from the new one where both are the same snapshot: `<SHA-256 of the URN>:<count>`.
 */
export function nextOwner(urn: string, current?: string): string {
  const count = Number(/:(\d+)$/.exec(current ?? "")?.[1] ?? 0);
  return `${sha256Hex(urn)}:${count + 1}`;
}

/** Whether the owner that a server tells is this resource, at whatever count. */
export function isOwnedBy(urn: string, owner: string | undefined): boolean {
  return owner?.split(":")[0] === sha256Hex(urn);
}

/** The owner in the recorded outputs; undefined in those of older versions and of servers that keep none. */
export function recordedOwner(outs: Properties): string | undefined {
  return recordedSchema.safeParse(outs).data?.record.owner;
}

const recordedSchema = z.object({ record: z.object({ owner: z.string() }) });
