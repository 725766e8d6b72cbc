import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import type { Store } from "../store/store";

const PREFIX_LENGTH = 8;

/**
 * Makes a key for an organisation and returns it; this is the only time that anybody sees it.
 *
 * @example await mintApiKey(store, "local", Date.now()) // "osb_" and 64 hex digits
 */
export async function mintApiKey(store: Store, orgId: string, now: number): Promise<string> {
  const key = `osb_${randomBytes(32).toString("hex")}`;
  const prefix = key.slice(0, PREFIX_LENGTH);
  await store.addApiKey({ id: randomUUID(), orgId, hash: hashOf(key), prefix, createdAt: now });
  return key;
}

/**
 * The organisation of a key; undefined where there is no such key. Looked up by the key's hash: what a guess can learn
 * from the time that takes is about hashes, which it cannot choose.
 */
export async function findOrganisation(store: Store, key: string): Promise<string | undefined> {
  const hash = hashOf(key);
  const row = await store.findApiKey(hash);
  if (row === undefined || !timingSafeEqual(Buffer.from(row.hash), Buffer.from(hash))) return undefined;
  return row.orgId;
}

function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
