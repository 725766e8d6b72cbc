import { createHash } from "node:crypto";

/** The content of a sandbox's `/etc/machine-id`: 32 hex digits, always the same for a sandbox, and another for every other. */
export function machineId(id: string): string {
  return createHash("sha256").update(`machine-id ${id}`).digest("hex").slice(0, 32);
}
