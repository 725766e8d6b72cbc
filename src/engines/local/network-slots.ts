import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import { SLOTS_DIR } from "./firewall";

/**
 * Numbers for networks, unique on the machine: a slot is a directory, because making one either succeeds or tells that
 * somebody else was first. Each names the home that it belongs to, and the claim that took it: numbers come around
 * again, and who gives one back late must not give back what is somebody else's by then.
 */

/** A slot that was taken. */
export interface SlotClaim {
  readonly slot: number;
  /** Tells this taking of the slot from all others. */
  readonly claim: string;
}

/** A /16 has 16384 networks of four addresses; the first is the host's. */
const LAST_SLOT = 16_383;
/** A slot without an owner belongs to a server that died between two calls; until then give it time. */
const UNOWNED_MS = 60_000;

/** Takes the lowest free slot. @throws unavailable where all are taken */
export async function claimSlot(home: string): Promise<SlotClaim> {
  await mkdir(SLOTS_DIR, { recursive: true, mode: 0o711 });
  const taken = new Set(await readdir(SLOTS_DIR));
  for (let slot = 1; slot <= LAST_SLOT; slot++) {
    if (taken.has(String(slot)) || !(await makeSlot(slot))) continue;
    const claim = randomBytes(8).toString("hex");
    await writeFile(claimFile({ slot, claim }), "");
    await writeFile(ownerFile(slot), home);
    return { slot, claim };
  }
  throw new OpenComputerError("unavailable", `all ${LAST_SLOT} sandbox networks of this machine are in use`);
}

/**
 * Ends a claim; the slot is nobody's yet. True for one caller only: who ended the claim has the slot's link to remove,
 * and then the slot to free.
 */
export async function endClaim({ slot, claim }: SlotClaim): Promise<boolean> {
  return unlink(claimFile({ slot, claim })).then(
    () => true,
    () => false,
  );
}

/** Makes a slot free for the next, whoever claimed it; one that is free already is fine. */
export async function freeSlot(slot: number): Promise<void> {
  await rm(join(SLOTS_DIR, String(slot)), { recursive: true, force: true });
}

/** The slots of a home, and those that nobody came to own. */
export async function ownedSlots(home: string): Promise<number[]> {
  const names = await readdir(SLOTS_DIR).catch(() => []);
  const owned: number[] = [];
  for (const name of names) {
    const owner = await readFile(join(SLOTS_DIR, name, "owner"), "utf8").catch(() => null);
    if (owner === home || (!owner && (await isOld(name)))) owned.push(Number(name));
  }
  return owned;
}

/** The homes that slots of this machine belong to. */
export async function slotOwners(): Promise<string[]> {
  const names = await readdir(SLOTS_DIR).catch(() => []);
  const owners = await Promise.all(names.map((name) => readFile(ownerFile(Number(name)), "utf8").catch(() => "")));
  return owners.filter(Boolean);
}

/** The four addresses of a slot, as far as they are in use. */
export function slotAddresses(slot: number): { host: string; inside: string } {
  const address = (offset: number) => {
    const number = slot * 4 + offset;
    return `10.213.${number >> 8}.${number & 255}`;
  };
  return { host: address(1), inside: address(2) };
}

const claimFile = ({ slot, claim }: SlotClaim) => join(SLOTS_DIR, String(slot), `claim-${claim}`);
const ownerFile = (slot: number) => join(SLOTS_DIR, String(slot), "owner");

async function makeSlot(slot: number): Promise<boolean> {
  try {
    await mkdir(join(SLOTS_DIR, String(slot)));
    return true;
  } catch {
    return false;
  }
}

async function isOld(name: string): Promise<boolean> {
  const made = await stat(join(SLOTS_DIR, name)).catch(() => null);
  return made !== null && Date.now() - made.mtimeMs > UNOWNED_MS;
}
