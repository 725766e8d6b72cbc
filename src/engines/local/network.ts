import { readFile, readlink } from "node:fs/promises";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { NetworkPolicy } from "../engine";
import { lowerHostNetwork, raiseHostNetwork } from "./firewall";
import { LINK_PREFIX } from "./firewall-rules";
import type { Hand } from "./hand";
import { type Audience, createNetworkExits, type Destinations, type NetworkExits } from "./network-exits";
import { createNetworkPolicies, type NetworkPolicies } from "./network-policies";
import { claimSlot, endClaim, freeSlot, ownedSlots, type SlotClaim, slotAddresses } from "./network-slots";
import { UID_RANGE, UID_SHIFT } from "./oci-spec";

/**
 * The network of one container, ready before the container is: a user namespace and in it a network namespace with one
 * end of a veth pair. A waiting process holds both until the container's own processes do, and ends with this server; when
 * the last of them is gone, the kernel removes the namespaces and the link.
 */
export interface ContainerNetwork extends SlotClaim {
  readonly netns: string;
  readonly userns: string;
  /** Address inside, its own loopback where it has no other. */
  readonly address: string;
  /** Content of `/etc/resolv.conf`; null is the host's. */
  readonly resolvConf: string | null;
  /** Ends the waiting process; call it once the container runs. */
  release(): void;
}

/** Hands out networks; keeps some ready, because making one takes longer than starting a container. */
export interface NetworkPool {
  /**
   * A network that reaches what the policy says.
   *
   * @throws invalid_input for a destination that is none, or that no sandbox of this server reaches
   */
  take(policy: NetworkPolicy, audience: Audience): Promise<ContainerNetwork>;
  /** Takes a network back after its container is gone; one that was given back before is fine. */
  give(network: SlotClaim): Promise<void>;
  /** Frees every slot of this home but those in use, which are held to their policies again; none is handed out before. */
  reclaim(inUse: ReadonlySet<number>, destinations: Destinations): Promise<void>;
  close(): Promise<void>;
}

const READY_NETWORKS = 2;
/** Whom those that are ready are for: builds have more time. */
const STOCKED: Audience = "sandboxes";
/** Making the next one waits until the container that took the last has started: they would slow each other down. */
const REFILL_DELAY_MS = 150;

interface PoolDeps {
  readonly home: string;
  readonly hand: Hand;
  readonly exits: NetworkExits;
}

export interface NetworkPoolOptions {
  /** Closed addresses and blocks that containers reach all the same. Default: none. */
  readonly reach?: readonly string[];
  /** Name servers that allowed names are looked up with. Default: the host's. */
  readonly resolvers?: readonly string[];
}

/** A pool for the server of this home. */
export function createNetworkPool(
  home: string,
  hand: Hand,
  { reach = [], resolvers }: NetworkPoolOptions = {},
): NetworkPool {
  const exits = createNetworkExits(home, reach);
  const stock = createStock({ home, hand, exits });
  const policies = createNetworkPolicies(hand, exits, resolvers);
  const giveBack = (network: SlotClaim) => endNetwork(hand, network, policies);
  let anchor: SlotClaim | undefined;
  return {
    async take(policy, audience) {
      const network = await stock.take();
      try {
        const group = typeof policy === "object" ? "listed" : audience;
        if (group !== STOCKED) await exits.admit(linkOf(network.slot), group);
        return { ...network, ...(await policies.apply(network, policy)) };
      } catch (error) {
        network.release();
        await giveBack(network);
        throw error;
      }
    },
    give: giveBack,
    async reclaim(inUse, destinations) {
      // As long as a slot is taken, no server lowers what raising makes: so it need not be looked at again.
      anchor = await claimSlot(home);
      await raiseHostNetwork();
      await exits.open(destinations, async () => {
        await raiseHostNetwork();
        await policies.restate();
      });
      for (const slot of await ownedSlots(home)) {
        if (slot === anchor.slot) continue;
        if (!inUse.has(slot)) await removeNetwork(hand, slot, policies);
        else await exits.admit(linkOf(slot), (await policies.renew(slot)) ? "listed" : "sandboxes");
      }
      await stock.fill();
    },
    async close() {
      await stock.close();
      await policies.close();
      if (anchor && (await endClaim(anchor))) await freeSlot(anchor.slot);
      await exits.close(anchor !== undefined && (await ownedSlots(home)).length === 0);
      await lowerHostNetwork();
    },
  };
}

/** A network that nobody uses yet, and that no policy holds. */
type ReadyNetwork = Omit<ContainerNetwork, "address" | "resolvConf">;

/** Networks that were made ahead. */
function createStock(deps: PoolDeps) {
  const ready: Promise<ReadyNetwork>[] = [];
  let closed = false;
  const refill = () => {
    while (!closed && ready.length < READY_NETWORKS) {
      const network = makeNetwork(deps);
      // Whoever takes it tries once more; until then it must not count as unhandled.
      network.catch(() => undefined);
      ready.push(network);
    }
  };
  const giveUp = async (network: ReadyNetwork) => {
    network.release();
    await endNetwork(deps.hand, network);
  };
  return {
    async take(): Promise<ReadyNetwork> {
      setTimeout(refill, REFILL_DELAY_MS).unref();
      for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
        const network = await next.catch(() => null);
        if (network && (await isHeld(network))) return network;
        if (network) await giveUp(network);
      }
      return makeNetwork(deps);
    },
    /** Resolves when the first is ready. */
    async fill(): Promise<void> {
      refill();
      await ready[0];
    },
    async close(): Promise<void> {
      closed = true;
      for (const network of await Promise.allSettled(ready.splice(0))) {
        if (network.status === "fulfilled") await giveUp(network.value);
      }
    },
  };
}

/**
 * Who holds a network may have been ended, by hand or by a machine without memory, and its number may be another's by now:
 * no container joins what the host's own processes are in.
 */
async function isHeld({ netns, userns }: ReadyNetwork): Promise<boolean> {
  const idOf = (namespace: string) => readlink(namespace).catch(() => null);
  const theirs = await Promise.all([netns, userns].map(idOf));
  const ours = await Promise.all(["/proc/self/ns/net", "/proc/self/ns/user"].map(idOf));
  return theirs.every((id, index) => id !== null && id !== ours[index]);
}

async function makeNetwork({ home, hand, exits }: PoolDeps): Promise<ReadyNetwork> {
  const { slot, claim } = await claimSlot(home);
  failpoint("network.claimed");
  let release = () => {};
  try {
    const { host, inside } = slotAddresses(slot);
    const ids = [String(UID_SHIFT), String(UID_RANGE)];
    const made = await hand.ask("network", linkOf(slot), host, inside, String(await outgoingMtu()), ...ids);
    // Also where none was made: the hand keeps a place for it.
    release = () => hand.tell("release", String(made.number));
    if (made.result !== 0) throw cannotMake(made.text);
    failpoint("network.made");
    await exits.admit(linkOf(slot), STOCKED);
    const paths = { netns: `/proc/${made.text}/ns/net`, userns: `/proc/${made.text}/ns/user` };
    return { slot, claim, ...paths, release };
  } catch (error) {
    release();
    await endNetwork(hand, { slot, claim });
    throw error;
  }
}

function cannotMake(why: string): OpenComputerError {
  const message = `a sandbox's network cannot be made (${why}); \`unshare --user --net true\` should work as root`;
  return new OpenComputerError("requirement_missing", message);
}

const linkOf = (slot: number) => `${LINK_PREFIX}${slot}`;

/** Without policies where none holds it yet. */
async function endNetwork(hand: Hand, network: SlotClaim, policies?: NetworkPolicies): Promise<void> {
  if (await endClaim(network)) await removeNetwork(hand, network.slot, policies);
}

async function removeNetwork(hand: Hand, slot: number, policies?: NetworkPolicies): Promise<void> {
  await hand.do("remove-link", linkOf(slot));
  await policies?.lift(slot);
  await freeSlot(slot);
}

/** Packets of sandboxes must fit the way out; 1500 where there is none. */
async function outgoingMtu(): Promise<number> {
  const routes = await readFile("/proc/net/route", "utf8").catch(() => "");
  const link = /^(\S+)\t00000000\t/m.exec(routes)?.[1];
  const mtu = link === undefined ? "" : await readFile(`/sys/class/net/${link}/mtu`, "utf8").catch(() => "");
  return Number.parseInt(mtu, 10) || 1500;
}
