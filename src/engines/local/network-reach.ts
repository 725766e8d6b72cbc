import { changeFirewall } from "./firewall";
import {
  HOST_ADDRESS,
  LINK_PREFIX,
  QUESTION,
  REACH_TABLE,
  REFUSE,
  sharedRules,
  statedChain,
  statedSet,
} from "./firewall-rules";
import type { SlotClaim } from "./network-slots";

/**
 * The firewall of one sandbox that reaches certain destinations only: nftables rules that its packets come to by the name
 * of its link, in one look-up however many sandboxes there are. Where a packet goes is judged before the host translates
 * it, and what passes here is judged once more with all others (firewall-rules.ts): a list narrows, and opens nothing that
 * is closed. A connection is judged packet by packet and not by what the kernel remembers of it: addresses of sandboxes come
 * around again, and memory outlives them.
 *
 * Each call is one transaction and states everything, also what all sandboxes share: so it may be made again, and mends
 * what somebody else disturbed.
 */

/**
 * How long an address that a name stood for is within reach after it was last told or used. Longer than any answer may
 * be kept, so that whoever was told an address can go there.
 */
export const NAMED_SECONDS = 3600;
/** Addresses of names at one time. */
const MAX_NAMED = 4096;

/** What one sandbox is confined to. */
export interface Confinement {
  readonly claim: SlotClaim;
  /** Addresses and blocks. */
  readonly blocks: readonly string[];
  /** Where names are told, at the host's address. */
  readonly port: number;
  /** Addresses of names that it was told before. */
  readonly named: readonly string[];
}

/** Confines sandboxes, all at once. */
export async function confine(confinements: readonly Confinement[]): Promise<void> {
  await changeFirewall([...sharedRules(), ...confinements.flatMap(ownRules)]);
}

/** Lets a confined sandbox reach addresses that a name stands for, for {@link NAMED_SECONDS} from now. */
export async function admitNamed(claim: SlotClaim, addresses: readonly string[]): Promise<void> {
  const elements = elementsOf(objects(claim).named, addresses);
  // Older kernels leave the time of an element that is there as it is.
  await changeFirewall([`add ${elements}`, `delete ${elements}`, `add ${elements}`]);
}

/** Removes all rules of a sandbox; where they are gone already, that is fine. */
export async function unconfine(claim: SlotClaim): Promise<void> {
  const { link, rules, lookup, blocks, named } = objects(claim);
  await changeFirewall([
    // Stated first, because what is not there cannot be deleted; the port is never asked.
    ...sharedRules(),
    ...ownRules({ claim, blocks: [], port: 53, named: [] }),
    `delete element ${REACH_TABLE} confined { "${link}" }`,
    `delete element ${REACH_TABLE} lookups { "${link}" }`,
    ...[rules, lookup].map((chain) => `delete chain ${REACH_TABLE} ${chain}`),
    ...[blocks, named].map((set) => `delete set ${REACH_TABLE} ${set}`),
  ]);
}

/** Named by the claim, too: what is still on its way for one sandbox must not reach the next in the same slot. */
function objects({ slot, claim }: SlotClaim) {
  const id = `${slot}_${claim}`;
  return {
    link: `${LINK_PREFIX}${slot}`,
    rules: `to_${id}`,
    lookup: `ask_${id}`,
    blocks: `at_${id}`,
    named: `by_${id}`,
  };
}

const elementsOf = (set: string, elements: readonly string[]) =>
  `element ${REACH_TABLE} ${set} { ${elements.join(", ")} }`;

function ownRules({ claim, port, ...told }: Confinement): string[] {
  const { link, rules, lookup, blocks, named } = objects(claim);
  const confinement = [
    // Answers to whoever came from outside, which is the host itself.
    "ct direction reply accept",
    `${QUESTION} accept`,
    `ip daddr @${blocks} accept`,
    `ip daddr @${named} update @${named} { ip daddr } accept`,
    `goto ${REFUSE}`,
  ];
  return [
    ...statedSet(blocks, "ipv4_addr; flags interval; auto-merge", told.blocks),
    // Not flushed: a sandbox that runs keeps the addresses it was told.
    `add set ${REACH_TABLE} ${named} { type ipv4_addr; size ${MAX_NAMED}; flags dynamic,timeout; timeout ${NAMED_SECONDS}s; }`,
    ...(told.named.length > 0 ? [`add ${elementsOf(named, told.named)}`] : []),
    ...statedChain(REACH_TABLE, rules, confinement),
    ...statedChain(REACH_TABLE, lookup, [`${QUESTION} dnat ip to ${HOST_ADDRESS}:${port}`]),
    `add element ${REACH_TABLE} confined { "${link}" : jump ${rules} }`,
    `add element ${REACH_TABLE} lookups { "${link}" : jump ${lookup} }`,
  ];
}
