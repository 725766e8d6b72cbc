import { contentHash, digestOf } from "../src/image/hash";
import type { ImageManifest } from "../src/image/image-manifest";
import type { KillSite } from "./kill-site";
import { Account, type Files, type NameState } from "./ledger";

/** Something that users do. False where there was nothing to do it with. */
export type Deed = (site: KillSite) => Promise<boolean>;

const MAX_VERSIONS = 3;
/** Of all names together. */
const MAX_ALL_VERSIONS = 6;
/** More than there are users, so that some are left whatever the last crash left in doubt. */
const NAMES = [..."abcdefghijklmnopqrst"];

/** What is known of a snapshot's name. */
export function nameAccount({ ledger }: KillSite, name: string): Account<NameState> {
  const account = ledger.names.get(name) ?? new Account<NameState>({ current: null, hashes: [] });
  ledger.names.set(name, account);
  return account;
}

/** A new version of a name, with bytes of ours in it; for who waits, or for who asks again later. */
export const build: Deed = async (site) => {
  const free = NAMES.filter((one) => !nameAccount(site, one).busy && nameAccount(site, one).certain !== undefined);
  const name = site.oneOf(site.chance(0.5) ? free.slice(0, 4) : free);
  if (name === undefined) return false;
  const versions = nameAccount(site, name).certain?.hashes.length ?? 0;
  if (versions >= MAX_VERSIONS || site.ledger.versionCount >= MAX_ALL_VERSIONS)
    return site.chance(0.3) ? deleteName(site) : deleteVersion(site);
  await publish(site, name, () => newImage(site));
  return true;
};

/** An image that nobody has built, and what is in it. */
export interface NewImage {
  readonly manifest: ImageManifest;
  readonly files: Files;
}

async function newImage(site: KillSite): Promise<NewImage> {
  const own = site.unique("v");
  const [added, written] = [site.content(site.between(1, 200_000)), site.content(64)];
  const digest = digestOf(added.text);
  await site.put(`/blobs/${encodeURIComponent(digest)}`, added.text);
  const commands = [`mkdir -p /srv/v /srv/many; printf %s ${written.text} > /srv/v/${own}`];
  // Few files are synced one by one, many all at once.
  if (site.chance(0.3)) commands.push("cd /srv/many; seq 200 | xargs touch");
  return {
    manifest: {
      base: "base",
      steps: [
        { type: "add_file", args: { path: `/srv/v/${own}-added`, digest, executable: false } },
        { type: "run", args: { commands } },
      ],
    },
    files: { [`srv/v/${own}-added`]: added.sha256, [`srv/v/${own}`]: written.sha256 },
  };
}

/** Makes it the current version of a name. */
export async function publish(site: KillSite, name: string, make: () => Promise<NewImage>): Promise<void> {
  const account = nameAccount(site, name);
  await site.hold(account, async ({ hashes }) => {
    const { manifest, files } = await make();
    const hash = contentHash(manifest);
    site.ledger.contents.set(hash, files);
    const after = { current: hash, hashes: [...hashes, hash] };
    account.ask(after);
    const isDetached = site.chance(0.4);
    const order = { name, image: manifest, ifExists: "version", retention: { keepLast: 100 } };
    await site.ask("POST", `/snapshots${isDetached ? "?async=1" : ""}`, order);
    if (isDetached) await untilReady(site, `/snapshots/${name}@${hash}`, "building");
    account.settle(after);
  });
}

/** Asks for something until it is ready. @throws where it fails */
export async function untilReady(site: KillSite, path: string, pending: string): Promise<void> {
  for (;;) {
    const row = (await site.ask("GET", path)) as Record<string, unknown>;
    if (row["status"] === "ready") return;
    if (row["status"] !== pending) throw new Error(`${path} is ${JSON.stringify(row).slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const promote: Deed = async (site) => {
  const name = site.oneOf(site.ledger.freeNames());
  if (name === undefined) return false;
  const account = nameAccount(site, name);
  await site.hold(account, async ({ hashes }) => {
    const current = site.oneOf(hashes) ?? "";
    account.ask({ current, hashes });
    await site.ask("POST", `/snapshots/${name}@${current}/promote`);
    account.settle({ current, hashes });
  });
  return true;
};

export const deleteVersion: Deed = async (site) => {
  const name = site.oneOf(site.ledger.freeNames());
  if (name === undefined) return false;
  const account = nameAccount(site, name);
  return site.hold(account, async ({ current, hashes }) => {
    const hash = site.oneOf(hashes.filter((one) => one !== current));
    if (hash === undefined) return false;
    const after = { current, hashes: hashes.filter((one) => one !== hash) };
    account.ask(after);
    await site.ask("DELETE", `/snapshots/${name}@${hash}`);
    account.settle(after);
    return true;
  });
};

export const deleteName: Deed = async (site) => {
  const name = site.oneOf(site.ledger.freeNames());
  if (name === undefined) return false;
  await dropName(site, name);
  return true;
};

export async function dropName(site: KillSite, name: string): Promise<void> {
  const account = nameAccount(site, name);
  await site.hold(account, async () => {
    account.ask({ current: null, hashes: [] });
    await site.ask("DELETE", `/snapshots/${name}`);
    account.settle({ current: null, hashes: [] });
  });
}
