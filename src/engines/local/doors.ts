import { promises as dns } from "node:dns";
import { isIPv4 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { toBlock } from "./address-block";
import { isMetadata } from "./closed-addresses";
import type { HostDestination } from "./host-destinations";

/** One port of one address. */
export interface Door {
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** Finds the addresses of destinations. @returns each door once, in the order of destinations and addresses */
export type DoorFinder = (destinations: readonly HostDestination[]) => Promise<Door[]>;

/** An address that a name no longer stands for stays so long: resolvers inside may still tell it. */
const REMEMBERED_MS = 3_600_000;
/** Nobody waits longer for a name; the next try finds it. */
const LOOKUP_TIMEOUT_MS = 3_000;
const DNS_PORT = 53;

/**
 * Finds doors, and keeps in mind what names stood for.
 *
 * @param lookUp the addresses of a name; nothing where it has none. Default: as the host's programs look up
 */
export function createDoorFinder(lookUp: (name: string) => Promise<readonly string[]> = askHost): DoorFinder {
  const seen = new Map<string, Map<string, number>>();
  const addressesOf = async (host: string) => {
    const known = seen.get(host) ?? new Map<string, number>();
    seen.set(host, known);
    const now = performance.now();
    for (const address of isIPv4(host) ? [host] : await lookUp(host)) known.set(address, now);
    for (const [address, at] of known) if (now - at > REMEMBERED_MS) known.delete(address);
    return [...known.keys()];
  };
  return async (destinations) => {
    const hosts = [...new Set(destinations.map(({ host }) => host))];
    const found = new Map(await Promise.all(hosts.map(async (host) => [host, await addressesOf(host)] as const)));
    const doors = destinations.flatMap(({ host, port, protocol }) =>
      (found.get(host) ?? []).map((address) => ({ address, port, protocol })),
    );
    return [...new Map(doors.filter(mayBeDoor).map((door) => [toText(door), door])).values()];
  };
}

/** As nftables writes it. */
export function toText({ address, protocol, port }: Door): string {
  return `${address} . ${protocol} . ${port}`;
}

/** Whoever answers for a name must not open the credentials of the machine; where a cloud resolves names there, it may. */
function mayBeDoor({ address, port }: Door): boolean {
  const block = toBlock(address);
  return block !== null && (!isMetadata(block) || port === DNS_PORT);
}

async function askHost(name: string): Promise<readonly string[]> {
  const asked = dns.lookup(name, { family: 4, all: true }).catch(() => []);
  const limit = sleep(LOOKUP_TIMEOUT_MS, [], { ref: false });
  return (await Promise.race([asked, limit])).map(({ address }) => address);
}
