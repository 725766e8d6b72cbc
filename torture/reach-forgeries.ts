import type { Outside } from "../test/fixtures/outside";
import type { Forgery } from "./reach-programs";
import { hostAddresses, type Placed, type ReachSite } from "./reach-site";

interface Places {
  readonly site: ReachSite;
  readonly outside: Outside;
  readonly hostile: Placed;
  readonly neighbour: Placed;
}

/** Where services listen: those of the world outside and of private networks, and the neighbour's. */
const [DNS_PORT, NEIGHBOUR_PORT] = [53, 5300];

/** Frames that must arrive, and frames that must not; the token of each says what it is, and is nobody else's. */
export function forgeries(places: Places): { honest: Forgery[]; forged: Forgery[] } {
  const { outside, hostile } = places;
  const [first] = outside.addresses;
  const honest = (["udp", "fragments"] as const).map((as) => send(hostile.inside, first, DNS_PORT, as));
  const forged = [...toClosed(places), ...asOthers(places), ...wrapped(places), ...byNewer(places)];
  const signed = (one: Forgery) => ({ ...one, token: `${one.token} sent by ${hostile.id};` });
  return { honest: honest.map(signed), forged: forged.map(signed) };
}

function toClosed({ site, outside, hostile, neighbour }: Places): Forgery[] {
  const [first] = outside.privateAddresses;
  const host = [...hostAddresses("IPv4"), "127.0.0.1", "255.255.255.255", "224.0.0.1", "0.0.0.0"];
  const broadcast = hostile.gateway.replace(/\d+$/, (byte) => String(Number(byte) + 2));
  return [
    ...[...host, broadcast].map((target) => send(hostile.inside, target, site.port)),
    ...outside.privateAddresses.map((target) => send(hostile.inside, target, DNS_PORT)),
    send(hostile.inside, neighbour.inside, NEIGHBOUR_PORT),
    send(hostile.inside, first, DNS_PORT, "fragments"),
    send(hostile.inside, "10.213.0.1", site.port, "fragments"),
    send(hostile.inside, neighbour.inside, NEIGHBOUR_PORT, "fragments"),
  ];
}

function asOthers({ site, outside, hostile, neighbour }: Places): Forgery[] {
  const [first] = outside.addresses;
  const others = [neighbour.inside, neighbour.gateway, hostile.gateway, "10.213.0.1", "10.213.255.254", "127.0.0.1"];
  const strangers = [...hostAddresses("IPv4"), first, "192.168.7.7", "8.8.8.8", "0.0.0.0", "255.255.255.255"];
  return [...others, ...strangers].flatMap((source) => [
    send(source, first, DNS_PORT),
    send(source, "10.213.0.1", site.port),
    send(source, neighbour.inside, NEIGHBOUR_PORT),
  ]);
}

function wrapped({ site, outside, hostile, neighbour }: Places): Forgery[] {
  const [first] = outside.privateAddresses;
  return (["vlan", "ipip", "routed"] as const).flatMap((as) => [
    send(hostile.inside, "10.213.0.1", site.port, as),
    send(hostile.inside, neighbour.inside, NEIGHBOUR_PORT, as),
    send(hostile.inside, first, DNS_PORT, as),
  ]);
}

function byNewer({ site }: Places): Forgery[] {
  const sources = ["fe80::2", "fd00:5::2", "::1", "::ffff:10.213.0.1"];
  const targets = ["ff02::1", "fe80::1", "::1", ...hostAddresses("IPv6")];
  return sources.flatMap((source) => targets.map((target) => send(source, target, site.port, "udp6")));
}

function send(source: string, target: string, port: number, as: Forgery["as"] = "udp"): Forgery {
  return { token: `${as} from ${source} to ${target}:${port}`, source, target, port, as };
}
