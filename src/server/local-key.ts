import { readServerCard } from "./server-card";
import { findOrganisation, mintApiKey } from "./services/api-keys";
import type { Store } from "./store/store";

/** The one organisation of an embedded server. */
const LOCAL = { id: "local", name: "local" } as const;

/** The key that goes into `server.json`: the last server's, where the database knows it, else a new one. */
export async function localApiKey(store: Store, home: string, now: number): Promise<string> {
  await store.ensureOrganisation(LOCAL);
  const card = await readServerCard(home);
  if (card && (await findOrganisation(store, card.apiKey)) === LOCAL.id) return card.apiKey;
  // Nobody has the plain form of an older key, so nobody can be meant to use it.
  await store.dropApiKeys(LOCAL.id);
  return await mintApiKey(store, LOCAL.id, now);
}
