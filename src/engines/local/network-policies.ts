import { join } from "node:path";
import { z } from "zod";
import type { NetworkPolicy } from "../engine";
import { toBlock } from "./address-block";
import { type AllowList, toAllowList } from "./allow-list";
import { SLOTS_DIR } from "./firewall";
import { HOST_ADDRESS, LINK_PREFIX } from "./firewall-rules";
import type { Hand } from "./hand";
import { createNameServer } from "./name-server";
import type { NetworkExits } from "./network-exits";
import { admitNamed, type Confinement, confine, NAMED_SECONDS, unconfine } from "./network-reach";
import { type SlotClaim, slotAddresses } from "./network-slots";
import { readRecordFile, writeRecordFile } from "./record-file";

/** What a container gets to know of its network: its own address, and `/etc/resolv.conf` where it is not the host's. */
export interface InsideView {
  readonly address: string;
  readonly resolvConf: string | null;
}

/** Holds networks to policies. What is needed to do so again, or to undo it, lies in the network's slot. */
export interface NetworkPolicies {
  /**
   * Holds a network that nobody uses yet to a policy, and says what follows inside; where this fails, {@link lift} undoes
   * what was reached.
   *
   * @throws invalid_input for a destination that is none, or that no sandbox of this server reaches
   */
  apply(claim: SlotClaim, policy: NetworkPolicy): Promise<InsideView>;
  /** Does it again, for a network that is in use since before this engine started; says whether there is a list. */
  renew(slot: number): Promise<boolean>;
  /** States all of it again: whoever reloads a firewall flushes it. */
  restate(): Promise<void>;
  /** Undoes it, once the network's link is gone; where there is nothing to undo, that is fine. */
  lift(slot: number): Promise<void>;
  close(): Promise<void>;
}

interface Held extends Pick<Confinement, "claim" | "blocks"> {
  /** Addresses of names that it may know. */
  readonly told: () => string[];
}

const recordSchema = z.object({ slot: z.int(), claim: z.string(), allow: z.array(z.string()) });

/** @param resolvers see {@link createNameServer} */
export function createNetworkPolicies(
  hand: Hand,
  { mayReach }: Pick<NetworkExits, "mayReach">,
  resolvers?: readonly string[],
): NetworkPolicies {
  const names = createNameServer(resolvers);
  const isOpen = (address: string) => {
    const block = toBlock(address);
    return block !== null && mayReach(block);
  };
  const held = new Map<number, Held>();
  let restating: Promise<void> = Promise.resolve();
  const hold = async (claim: SlotClaim, list: AllowList) => {
    const admission = createAdmission(claim);
    const { allowsName, blocks } = list;
    held.set(claim.slot, { claim, blocks, told: admission.told });
    await confine([{ claim, blocks, port: await names.port(), named: [] }]);
    names.serve(slotAddresses(claim.slot).inside, { allowsName, mayReach: isOpen, admit: admission.admit });
  };
  const restateAll = async () => {
    if (held.size === 0) return;
    const port = await names.port();
    const toConfinement = ({ told, ...one }: Held): Confinement => ({ ...one, port, named: told() });
    await confine([...held.values()].map(toConfinement));
  };
  return {
    async apply({ slot, claim }, policy) {
      const address = slotAddresses(slot).inside;
      if (policy === "egress") return { address, resolvConf: null };
      if (policy === "none") {
        await hand.do("remove-link", `${LINK_PREFIX}${slot}`);
        return { address: LOOPBACK, resolvConf: NO_RESOLVER };
      }
      const list = toAllowList(policy.allow, mayReach);
      await writeRecordFile(recordFile(slot), { slot, claim, allow: policy.allow });
      await hold({ slot, claim }, list);
      return { address, resolvConf: `nameserver ${HOST_ADDRESS}\n` };
    },
    async renew(slot) {
      const record = await readRecordFile(recordFile(slot), recordSchema);
      if (record === null) return false;
      // What was said when it was made holds; the firewall keeps closed what has been closed since.
      const list = toAllowList(record.allow, () => true);
      await hold(record, list);
      return true;
    },
    restate: () => {
      restating = restating.catch(() => undefined).then(restateAll);
      return restating;
    },
    async lift(slot) {
      names.forget(slotAddresses(slot).inside);
      held.delete(slot);
      // What is being stated now would come after what is undone.
      await restating.catch(() => undefined);
      const record = await readRecordFile(recordFile(slot), recordSchema);
      if (record) await unconfine(record);
    },
    async close() {
      held.clear();
      await restating.catch(() => undefined);
      await names.close();
    },
  };
}

/** Of hosts that know their own name and no network. */
const LOOPBACK = "127.0.1.1";
/** Programs then ask their own loopback, which refuses at once. */
const NO_RESOLVER = "# This sandbox has no network.\n";
const recordFile = (slot: number) => join(SLOTS_DIR, String(slot), "policy.json");

/**
 * Addresses are told again and again; the firewall hears of one once in a quarter of the time that it keeps it. `told` are
 * those that it keeps.
 */
function createAdmission(claim: SlotClaim) {
  const keptMs = NAMED_SECONDS * 1000;
  const admittedAt = new Map<string, number>();
  const ageOf = (address: string) => performance.now() - (admittedAt.get(address) ?? Number.NEGATIVE_INFINITY);
  const told = () => {
    for (const address of admittedAt.keys()) if (ageOf(address) > keptMs) admittedAt.delete(address);
    return [...admittedAt.keys()];
  };
  const admit = async (addresses: readonly string[]) => {
    told();
    const news = addresses.filter((address) => ageOf(address) > keptMs / 4);
    if (news.length === 0) return;
    await admitNamed(claim, news);
    for (const address of news) admittedAt.set(address, performance.now());
  };
  return { told, admit };
}
