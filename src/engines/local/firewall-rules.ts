import { CLOSED_BLOCKS, METADATA_ADDRESSES } from "./closed-addresses";

/**
 * What the machine's firewall holds for all sandboxes of all servers, however many: a text for `nft`, the same each time,
 * and mended by whoever states it next. What belongs to one server is in network-exits.ts, what belongs to one sandbox in
 * network-reach.ts.
 */

/** Address of the host as sandboxes see it. */
export const HOST_ADDRESS = "10.213.0.1";
/** Every sandbox address is in here. */
export const SANDBOX_RANGE = "10.213.0.0/16";
/** Prefix of the host ends of the sandboxes' interfaces. */
export const LINK_PREFIX = "oc";
/** Forwarding and translation. */
export const HOST_TABLE = "inet opencomputer";
/** Who may go where. */
export const REACH_TABLE = "inet opencomputer_reach";
/** The chain of {@link REACH_TABLE} that turns away at once, so that nobody waits for an answer. */
export const REFUSE = "refuse";

/** One question to the engine's name server, as sandboxes that reach certain names put it. */
export const QUESTION = `ip daddr ${HOST_ADDRESS} udp dport 53`;

/** Set in the groups of links whose sandboxes have a list: a link keeps its group when somebody flushes the firewall. */
export const LISTED_BIT = 2;

const FROM_SANDBOX = `iifname "${LINK_PREFIX}*"`;
const FROM_LISTED = `${FROM_SANDBOX} iifgroup & ${LISTED_BIT} == ${LISTED_BIT}`;
const TO_SANDBOX = `oifname "${LINK_PREFIX}*"`;

/** The commands that make a chain hold these rules and no others. */
export function statedChain(table: string, name: string, rules: readonly string[], hook?: string): string[] {
  const place = `${table} ${name}`;
  const made = hook === undefined ? `add chain ${place}` : `add chain ${place} { type ${hook}; policy accept; }`;
  return [made, `flush chain ${place}`, ...rules.map((rule) => `add rule ${place} ${rule}`)];
}

/** The commands that make a set of {@link REACH_TABLE} hold these elements and no others. */
export function statedSet(name: string, type: string, elements: readonly string[]): string[] {
  const set = `${REACH_TABLE} ${name}`;
  const filled = elements.length > 0 ? [`add element ${set} { ${elements.join(", ")} }`] : [];
  return [`add set ${set} { type ${type}; }`, `flush set ${set}`, ...filled];
}

/** All that sandboxes share. */
export function sharedRules(): string[] {
  return [`add table ${HOST_TABLE}`, `add table ${REACH_TABLE}`, ...translation(), ...lists(), ...judgement()];
}

function translation(): string[] {
  const senders = [
    // They have no address of the new kind, and nobody whom they could reach by one.
    `${FROM_SANDBOX} meta nfproto ipv6 drop`,
    `${FROM_SANDBOX} ip saddr != ${SANDBOX_RANGE} drop`,
    // Who does not answer there did not send it, whatever the host makes of that elsewhere.
    `${FROM_SANDBOX} fib saddr . iif oif missing drop`,
  ];
  const between = [
    `${FROM_SANDBOX} ${TO_SANDBOX} drop`,
    // From beyond this host come answers and nothing else.
    `${TO_SANDBOX} ct direction original drop`,
  ];
  const outgoing = [`ip saddr ${SANDBOX_RANGE} oifname != "${LINK_PREFIX}*" masquerade`];
  return [
    ...statedChain(HOST_TABLE, "guard", senders, "filter hook prerouting priority raw"),
    ...statedChain(HOST_TABLE, "forward", between, "filter hook forward priority filter"),
    ...statedChain(HOST_TABLE, "outgoing", outgoing, "nat hook postrouting priority srcnat"),
  ];
}

/** Which links are confined to what, which servers opened what, and what is closed. */
function lists(): string[] {
  return [
    `add map ${REACH_TABLE} confined { type ifname : verdict; }`,
    `add map ${REACH_TABLE} lookups { type ifname : verdict; }`,
    `add map ${REACH_TABLE} exits { type devgroup : verdict; }`,
    ...statedSet("closed", "ipv4_addr; flags interval; auto-merge", CLOSED_BLOCKS),
    ...statedSet("metadata", "ipv4_addr", METADATA_ADDRESSES),
  ];
}

/**
 * First what a sandbox is confined to, then what is open to any. Both are asked before the host translates addresses: a
 * packet is judged by where its sender sent it.
 */
function judgement(): string[] {
  const leave = [
    `iifname != "${LINK_PREFIX}*" accept`,
    // Answers to whoever came from outside, which is the host itself.
    "ct direction reply accept",
    // Sandboxes without a list have no business with what listens there.
    `${QUESTION} iifname vmap @confined`,
    "iifgroup vmap @exits",
    `fib daddr type { local, broadcast, anycast, multicast } goto ${REFUSE}`,
    `ip daddr @closed goto ${REFUSE}`,
    `tcp dport 25 goto ${REFUSE}`,
  ];
  const refuse = ["meta l4proto tcp reject with tcp reset", "reject with icmpx type port-unreachable"];
  const before = "filter hook prerouting priority mangle";
  return [
    ...statedChain(REACH_TABLE, REFUSE, refuse),
    // Whose list is gone reaches nothing until it is stated again.
    ...statedChain(REACH_TABLE, "reach", ["iifname vmap @confined", `${FROM_LISTED} goto ${REFUSE}`], before),
    ...statedChain(REACH_TABLE, "leave", leave, `${before} + 1`),
    ...statedChain(REACH_TABLE, "lookup", ["iifname vmap @lookups"], "nat hook prerouting priority dstnat"),
  ];
}
