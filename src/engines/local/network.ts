import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { OpenComputerError } from "../../errors";
import type { NetworkPolicy } from "../engine";
import { runCommand, tryCommand } from "./command";
import { LINK_PREFIX, lowerHostNetwork, raiseHostNetwork } from "./firewall";
import { createNetworkPolicies, type NetworkPolicies } from "./network-policies";
import { claimSlot, endClaim, freeSlot, ownedSlots, type SlotClaim, slotAddresses } from "./network-slots";
import { UID_RANGE, UID_SHIFT } from "./oci-spec";

/**
 * The network of one container, ready before the container is: a user namespace and in it a network namespace with one
 * end of a veth pair. A waiting process holds both until the container's own processes do; when the last of them is
 * gone, the kernel removes the namespaces and the link, whatever became of us.
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
  /** A network that reaches what the policy says. @throws invalid_input for a destination that is none */
  take(policy: NetworkPolicy): Promise<ContainerNetwork>;
  /** Takes a network back after its container is gone; one that was given back before is fine. */
  give(network: SlotClaim): Promise<void>;
  /** Frees every slot of this home but those in use, which are held to their policies again. */
  reclaim(inUse: ReadonlySet<number>): Promise<void>;
  close(): Promise<void>;
}

const READY_NETWORKS = 2;
/** Making the next one waits until the container that took the last has started: they would slow each other down. */
const REFILL_DELAY_MS = 150;

/**
 * A pool for the server of this home.
 *
 * @param resolvers name servers that allowed names are looked up with; default the host's
 */
export function createNetworkPool(home: string, resolvers?: readonly string[]): NetworkPool {
  const stock = createStock(home);
  const policies = createNetworkPolicies(resolvers);
  const giveBack = (network: SlotClaim) => endNetwork(network, policies);
  return {
    async take(policy) {
      const network = await stock.take();
      try {
        return { ...network, ...(await policies.apply(network, policy)) };
      } catch (error) {
        network.release();
        await giveBack(network);
        throw error;
      }
    },
    give: giveBack,
    async reclaim(inUse) {
      await raiseHostNetwork();
      for (const slot of await ownedSlots(home)) {
        await (inUse.has(slot) ? policies.renew(slot) : removeNetwork(slot, policies));
      }
      await stock.fill();
    },
    async close() {
      await stock.close();
      await policies.close();
      await lowerHostNetwork();
    },
  };
}

/** A network that nobody uses yet, and that no policy holds. */
type ReadyNetwork = Omit<ContainerNetwork, "address" | "resolvConf">;

/** Networks that were made ahead. */
function createStock(home: string) {
  const ready: Promise<ReadyNetwork>[] = [];
  let closed = false;
  const refill = () => {
    while (!closed && ready.length < READY_NETWORKS) {
      const network = makeNetwork(home);
      // Whoever takes it tries once more; until then it must not count as unhandled.
      network.catch(() => undefined);
      ready.push(network);
    }
  };
  return {
    async take(): Promise<ReadyNetwork> {
      const network = ready.shift()?.catch(() => makeNetwork(home)) ?? makeNetwork(home);
      setTimeout(refill, REFILL_DELAY_MS).unref();
      return network;
    },
    /** Resolves when the first is ready. */
    async fill(): Promise<void> {
      refill();
      await ready[0];
    },
    async close(): Promise<void> {
      closed = true;
      for (const network of await Promise.allSettled(ready.splice(0))) {
        if (network.status === "rejected") continue;
        network.value.release();
        await endNetwork(network.value);
      }
    },
  };
}

async function makeNetwork(home: string): Promise<ReadyNetwork> {
  const { slot, claim } = await claimSlot(home);
  let holder: ChildProcess | undefined;
  try {
    await raiseHostNetwork();
    holder = await startHolder();
    const { pid } = holder;
    if (pid === undefined) throw new OpenComputerError("internal", "unshare has no process id");
    await connect(slot, pid);
    const release = () => holder?.stdin?.end();
    const paths = { netns: `/proc/${pid}/ns/net`, userns: `/proc/${pid}/ns/user` };
    return { slot, claim, ...paths, release };
  } catch (error) {
    holder?.kill("SIGKILL");
    await endNetwork({ slot, claim });
    throw error;
  }
}

/** A process in new namespaces that ends when its stdin does, which is at the latest when this server ends. */
async function startHolder(): Promise<ChildProcess> {
  const argv = ["--user", "--net", "--", "sh", "-c", "echo ready; exec cat"];
  const holder = spawn("unshare", argv, { stdio: ["pipe", "pipe", "ignore"] });
  const signal = AbortSignal.timeout(10_000);
  try {
    await Promise.race([once(holder.stdout, "data", { signal }), failOnExit(holder, signal)]);
    const map = `0 ${UID_SHIFT} ${UID_RANGE}`;
    await writeFile(`/proc/${holder.pid}/uid_map`, map);
    await writeFile(`/proc/${holder.pid}/gid_map`, map);
    return holder;
  } catch (cause) {
    holder.kill("SIGKILL");
    const message = "cannot make a user and network namespace; `unshare --user --net true` should work as root";
    throw new OpenComputerError("requirement_missing", message, { cause });
  }
}

async function failOnExit(holder: ChildProcess, signal: AbortSignal): Promise<never> {
  await once(holder, "exit", { signal });
  throw new Error("unshare ended early");
}

async function connect(slot: number, pid: number): Promise<void> {
  const link = `${LINK_PREFIX}${slot}`;
  const { host, inside } = slotAddresses(slot);
  const mtu = await outgoingMtu();
  const outside = [
    `link add ${link} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${pid}`,
    `addr add ${host}/30 dev ${link}`,
    `link set ${link} up`,
  ];
  await runCommand("ip", ["-batch", "-"], { input: outside.join("\n") });
  // Only packets that would be answered through the same link: no sandbox speaks for another.
  await writeFile(`/proc/sys/net/ipv4/conf/${link}/rp_filter`, "1");
  const within = [
    "link set lo up",
    `addr add ${inside}/30 dev eth0`,
    "link set eth0 up",
    `route add default via ${host}`,
  ];
  await runCommand("nsenter", [`--net=/proc/${pid}/ns/net`, "ip", "-batch", "-"], { input: within.join("\n") });
}

/** Without policies where none holds it yet. */
async function endNetwork(network: SlotClaim, policies?: NetworkPolicies): Promise<void> {
  if (await endClaim(network)) await removeNetwork(network.slot, policies);
}

async function removeNetwork(slot: number, policies?: NetworkPolicies): Promise<void> {
  await tryCommand("ip", ["link", "del", `${LINK_PREFIX}${slot}`]);
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
