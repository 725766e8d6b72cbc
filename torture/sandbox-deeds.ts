import type { KillSite } from "./kill-site";
import { Refused } from "./kill-site";
import { Account, type CheckpointAccount, type CheckpointState, type Files, type SandboxState } from "./ledger";
import { type Deed, deleteName, deleteVersion, dropName, nameAccount, publish, untilReady } from "./snapshot-deeds";

const MAX_SANDBOXES = 6;
const MAX_CHECKPOINTS = 5;
/** More steps than are mounted as they are: they are merged. */
const DEEP_STEPS = 66;
const DEEP = "deep";

/** A sandbox of an image that is so deep that its layers are merged. */
export const deep: Deed = async (site) => {
  const account = nameAccount(site, DEEP);
  if (account.busy || account.certain === undefined) return false;
  const first = { type: "env" as const, args: { vars: { OWN: site.unique("deep") } } };
  const rest = Array.from({ length: DEEP_STEPS }, () => ({ type: "run" as const, args: { commands: [] } }));
  if (account.certain.hashes.length > 0) await dropName(site, DEEP);
  await publish(site, DEEP, async () => ({ manifest: { base: "base", steps: [first, ...rest] }, files: {} }));
  return createFrom(site, DEEP);
};

export const create: Deed = async (site) => {
  if (site.ledger.sandboxCount >= MAX_SANDBOXES) return deleteSandbox(site);
  const name = site.oneOf(site.ledger.freeNames());
  return name !== undefined && createFrom(site, name);
};

async function createFrom(site: KillSite, name: string): Promise<boolean> {
  return site.hold(nameAccount(site, name), async ({ hashes }) => {
    const hash = site.oneOf(hashes) ?? "";
    const files = site.ledger.contents.get(hash) ?? {};
    await bear(site, { path: "/sandboxes", fields: { snapshot: `${name}@${hash}` }, files, most: 1 });
    return true;
  });
}

/** Asks for sandboxes; what becomes of them is known by their tag until it is known by their ids. */
async function bear(
  site: KillSite,
  { path, fields, files, most }: { path: string; fields: object; files: Files; most: number },
): Promise<void> {
  const { births, sandboxes } = site.ledger;
  const op = site.unique("op");
  births.set(op, { files, most });
  const told = await site.ask("POST", path, { ...fields, tags: { op } });
  const results = (Array.isArray(told) ? told : [{ sandbox: told }]) as { sandbox?: { sandboxID: string } }[];
  births.delete(op);
  for (const { sandbox, ...failed } of results) {
    if (sandbox === undefined) throw new Error(`${path} gave ${JSON.stringify(failed)}`);
    sandboxes.set(sandbox.sandboxID, new Account<SandboxState>({ status: "running", files }));
  }
}

/** A sandbox that runs or, in one of two cases, sleeps; woken or put to sleep for it where need be. */
async function withSandbox(
  site: KillSite,
  status: "running" | "hibernated",
  work: (id: string, account: Account<SandboxState>, state: SandboxState) => Promise<boolean>,
): Promise<boolean> {
  const { ledger } = site;
  const other = status === "running" ? "hibernated" : "running";
  const id = site.oneOf(ledger.freeSandboxes(status)) ?? site.oneOf(ledger.freeSandboxes(other));
  const account = id === undefined ? undefined : ledger.sandboxes.get(id);
  if (id === undefined || account === undefined) return create(site);
  return site.hold(account, async (state) => {
    if (state.status !== status) await change(site, id, account, { ...state, status });
    return work(id, account, { ...state, status });
  });
}

async function change(site: KillSite, id: string, account: Account<SandboxState>, after: SandboxState): Promise<void> {
  account.ask(after);
  await (after.status === "hibernated"
    ? site.ask("POST", `/sandboxes/${id}/hibernate`)
    : site.ask("POST", `/sandboxes/${id}/wake`, {}));
  account.settle(after);
}

export const write: Deed = (site) =>
  withSandbox(site, "running", async (id, account, state) => {
    await writeTo(site, id, account, state);
    return true;
  });

async function writeTo(
  site: KillSite,
  id: string,
  account: Account<SandboxState>,
  state: SandboxState,
): Promise<SandboxState> {
  const path = `home/sandbox/m/f${site.between(0, 4)}`;
  const { text, sha256 } = site.content(site.between(1, 100_000));
  const after = { ...state, files: { ...state.files, [path]: sha256 } };
  account.ask(after);
  await site.put(`/sandboxes/${id}/files?path=${encodeURIComponent(`/${path}`)}`, text);
  account.settle(after);
  return after;
}

export const execute: Deed = (site) =>
  withSandbox(site, "running", async (id, account, state) => {
    const name = `e${site.between(0, 4)}`;
    const { text, sha256 } = site.content(site.between(1, 2_000));
    const after = { ...state, files: { ...state.files, [`home/sandbox/m/${name}`]: sha256 } };
    account.ask(after);
    await site.exec(id, `mkdir -p m && printf %s ${text} > m/.${name} && mv m/.${name} m/${name}`);
    account.settle(after);
    return true;
  });

export const hibernate: Deed = (site) =>
  withSandbox(site, "running", async (id, account, state) => {
    await change(site, id, account, { ...state, status: "hibernated" });
    return true;
  });

export const wake: Deed = (site) =>
  withSandbox(site, "hibernated", async (id, account, state) => {
    await change(site, id, account, { ...state, status: "running" });
    return true;
  });

export const checkpoint: Deed = (site) => {
  if (site.ledger.freeCheckpoints().length >= MAX_CHECKPOINTS) return deleteCheckpoint(site);
  return withSandbox(site, "running", async (id, _, state) => {
    (await take(site, id, state, await remember(site, id))).account.busy = false;
    return true;
  });
};

/** Of one that sleeps, and that has written something since it was made. */
export const checkpointAsleep: Deed = (site) => {
  if (site.ledger.freeCheckpoints().length >= MAX_CHECKPOINTS) return deleteCheckpoint(site);
  return withSandbox(site, "running", async (id, account, state) => {
    const memory = await remember(site, id);
    const asleep = { ...(await writeTo(site, id, account, state)), status: "hibernated" } as const;
    await change(site, id, account, asleep);
    (await take(site, id, asleep, memory)).account.busy = false;
    return true;
  });
};

/** Something that only its memory holds. */
async function remember(site: KillSite, id: string): Promise<Files> {
  if (site.runtime !== "runsc") return {};
  const { text, sha256 } = site.content(40);
  await site.exec(id, `printf %s ${text} > /dev/shm/mark`);
  return { "dev/shm/mark": sha256 };
}

/** Whoever took it is at work with it. */
async function take(
  site: KillSite,
  sandboxId: string,
  { files }: SandboxState,
  remembered: Files,
): Promise<CheckpointAccount & { id: string }> {
  const { checkpoints, checkpointWishes } = site.ledger;
  const kind: CheckpointAccount["kind"] = site.runtime === "runsc" && site.chance(0.5) ? "full" : "disk_only";
  const memory = kind === "full" ? remembered : {};
  const wish = { sandboxId, name: site.unique("c"), kind, files, memory } as const;
  checkpointWishes.add(wish);
  const told = await site.ask("POST", `/sandboxes/${sandboxId}/checkpoints`, { name: wish.name, kind });
  const { id } = told as { id: string };
  const account = new Account<CheckpointState>({ status: "ready" }, { status: "failed" });
  const taken = { sandboxId, kind, files, memory, account };
  checkpoints.set(id, taken);
  checkpointWishes.delete(wish);
  account.busy = true;
  await untilReady(site, `/checkpoints/${id}`, "processing");
  account.settle({ status: "ready" });
  return { ...taken, id };
}

export const createFromCheckpoint: Deed = async (site) => {
  const id = site.oneOf(site.ledger.freeCheckpoints());
  const found = id === undefined ? undefined : site.ledger.checkpoints.get(id);
  if (found === undefined) return checkpoint(site);
  if (site.ledger.sandboxCount >= MAX_SANDBOXES) return deleteSandbox(site);
  return site.hold(found.account, async () => {
    await bear(site, { path: `/sandboxes/from-checkpoint/${id}`, fields: {}, files: found.files, most: 1 });
    return true;
  });
};

export const fork: Deed = (site) => {
  if (site.ledger.sandboxCount >= MAX_SANDBOXES - 1) return deleteSandbox(site);
  return withSandbox(site, site.chance(0.8) ? "running" : "hibernated", async (id, _, { files }) => {
    await bear(site, { path: `/sandboxes/${id}/fork`, fields: { count: 2 }, files, most: 2 });
    return true;
  });
};

/** Back to a checkpoint that is taken for it, after something was written that must be gone then. */
export const restore: Deed = (site) =>
  withSandbox(site, "running", async (id, account, state) => {
    const taken = await take(site, id, state, await remember(site, id));
    const { text, sha256 } = site.content(20);
    const dirty = { ...state, files: { ...state.files, "home/sandbox/m/lost": sha256 } };
    account.ask(dirty);
    await site.exec(id, `mkdir -p m && printf %s ${text} > m/.lost && mv m/.lost m/lost`);
    account.settle(dirty);
    const after = { status: "running", files: taken.files } as const;
    account.ask({ ...after, isRestoring: true });
    await site.ask("POST", `/sandboxes/${id}/checkpoints/${taken.id}/restore`);
    account.settle({ ...after, isRestoring: true });
    await site.ask("GET", `/sandboxes/${id}`);
    account.settle(after);
    taken.account.busy = false;
    return true;
  });

export const deleteSandbox: Deed = async (site) => {
  const { ledger } = site;
  const id = site.oneOf([...ledger.freeSandboxes("running"), ...ledger.freeSandboxes("hibernated")]);
  const account = id === undefined ? undefined : ledger.sandboxes.get(id);
  if (account === undefined) return false;
  const gone = { status: "gone", files: {} } as const;
  account.ask(gone);
  account.busy = true;
  await site.ask("DELETE", `/sandboxes/${id}`);
  account.settle(gone);
  return true;
};

export const deleteCheckpoint: Deed = async (site) => {
  const id = site.oneOf(site.ledger.freeCheckpoints());
  const found = id === undefined ? undefined : site.ledger.checkpoints.get(id);
  if (found === undefined) return false;
  found.account.busy = true;
  found.account.ask({ status: "gone" });
  await site.ask("DELETE", `/sandboxes/${found.sandboxId}/checkpoints/${id}`);
  found.account.settle({ status: "gone" });
  return true;
};

/** After something was deleted that nothing else needs. */
export const collect: Deed = async (site) => {
  const deleted = (await deleteVersion(site)) || (await deleteCheckpoint(site)) || (await deleteName(site));
  if (!deleted) return false;
  try {
    await site.ask("POST", "/gc");
  } catch (error) {
    // A server that is busy says so.
    if (!(error instanceof Refused && error.status === 409)) throw error;
  }
  return true;
};
