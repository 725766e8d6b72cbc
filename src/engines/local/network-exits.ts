import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { type AddressBlock, covers, toBlock } from "./address-block";
import { isClosed, isMetadata } from "./closed-addresses";
import { runCommand } from "./command";
import { createDoorFinder, type Door, toText } from "./doors";
import { changeFirewall } from "./firewall";
import { LISTED_BIT, REACH_TABLE, SANDBOX_RANGE, sharedRules, statedChain, statedSet } from "./firewall-rules";
import type { HostDestination } from "./host-destinations";
import { slotOwners } from "./network-slots";

/** Whose link it is: build steps may know mirrors that sandboxes do not. */
export type Audience = "steps" | "sandboxes";

/** What a link is known by. Sandboxes with a list have the exits of all others, and nothing where their list is gone. */
export type LinkGroup = Audience | "listed";

/** Where the host's settings send them. */
export type Destinations = Readonly<Record<Audience, readonly HostDestination[]>>;

/**
 * What the containers of one server reach although it is closed: what the host's settings send them to, at that port,
 * and what the operator opened. A packet finds the rules of its server by the group of its link, which is made of the
 * server's home: one look-up however many sandboxes there are, and nothing where the group is unknown. The rules outlive
 * the server, as sandboxes do.
 */
export interface NetworkExits {
  /**
   * States the rules, and from then on each minute again: names move, and whoever reloads a firewall flushes it.
   * `restate` does the same for what others state.
   */
  open(destinations: Destinations, restate: () => Promise<void>): Promise<void>;
  /** Gives a link the exits of a group; until then it has none. One that is gone is fine. */
  admit(link: string, group: LinkGroup): Promise<void>;
  /** Whether a sandbox that is not confined reaches these addresses, at one port at least. */
  mayReach(block: AddressBlock): boolean;
  /** States nothing any more, and where `forget` says so, removes what was stated. */
  close(forget: boolean): Promise<void>;
}

const REFRESH_MS = 60_000;
const GROUPS: Readonly<Record<LinkGroup, number>> = { steps: 0, sandboxes: 1, listed: LISTED_BIT + 1 };
const GROUP_NAMES = Object.keys(GROUPS) as LinkGroup[];
const EXITS = `${REACH_TABLE} exits`;

/** @param reach addresses and blocks that the operator opened; an address means itself, whatever it is */
export function createNetworkExits(home: string, reach: readonly string[]): NetworkExits {
  const opened = reach.flatMap((text) => toBlock(text) ?? []);
  const [named, blocks] = [opened.filter(isAddress), opened.filter((block) => !isAddress(block))];
  const findDoors = createDoorFinder();
  let ofSandboxes: readonly Door[] = [];
  let timer: NodeJS.Timeout | undefined;
  let stating: Promise<void> = Promise.resolve();
  const state = async ({ steps, sandboxes }: Destinations) => {
    const ofSteps = await findDoors(steps);
    ofSandboxes = await findDoors(sandboxes);
    const exits = { named: reach.filter((text) => !isWide(text)), blocks: reach.filter(isWide) };
    await changeFirewall([
      ...sharedRules(),
      ...stated(groupOf(home, "steps"), { ...exits, doors: ofSteps }),
      ...stated(groupOf(home, "sandboxes"), { ...exits, doors: ofSandboxes }),
      ...stated(groupOf(home, "listed"), { ...exits, doors: ofSandboxes }),
    ]);
  };
  return {
    async open(destinations, restate) {
      await forgetOrphans(home);
      await state(destinations);
      timer = setInterval(() => {
        // Until the next try the rules stay as they are.
        stating = Promise.allSettled([restate(), state(destinations)]).then(() => undefined);
      }, REFRESH_MS).unref();
    },
    admit: (link, group) => setGroup(link, groupOf(home, group)),
    mayReach(block) {
      if (named.some((one) => covers(one, block)) || ofSandboxes.some((door) => isAt(door, block))) return true;
      if (isMetadata(block) || isOfHost(block) || isOfSandbox(block)) return false;
      return !isClosed(block) || blocks.some((one) => covers(one, block));
    },
    async close(forget) {
      clearInterval(timer);
      await stating;
      if (forget) for (const name of GROUP_NAMES) await removeGroup(groupOf(home, name));
    },
  };
}

const isAddress = ({ prefix }: AddressBlock) => prefix === 32;
const isWide = (text: string) => {
  const block = toBlock(text);
  return block !== null && !isAddress(block);
};
const isAt = ({ address }: Door, block: AddressBlock) => isAddress(block) && toBlock(address)?.first === block.first;

function isOfHost(block: AddressBlock): boolean {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.some(({ address, family }) => family === "IPv4" && isAt({ address, port: 0, protocol: "tcp" }, block));
}

function isOfSandbox(block: AddressBlock): boolean {
  const range = toBlock(SANDBOX_RANGE);
  return range !== null && covers(range, block);
}

/** The number of a group of links: one that no other home has, by any odds, and not low as those of others are. */
export function groupOf(home: string, group: LinkGroup): number {
  const number = Number.parseInt(createHash("sha256").update(home).digest("hex").slice(0, 7), 16);
  return 2 ** 30 + number * 4 + GROUPS[group];
}

async function setGroup(link: string, group: number): Promise<void> {
  await writeFile(`/sys/class/net/${link}/netdev_group`, String(group)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

interface Exits {
  readonly doors: readonly Door[];
  /** Addresses, and blocks of more than one. */
  readonly named: readonly string[];
  readonly blocks: readonly string[];
}

/** Which groups of links have exits, whoever's they are. */
export async function groupsWithExits(): Promise<number[]> {
  const listed = await runCommand("nft", ["list", "map", ...EXITS.split(" ")]);
  return [...listed.matchAll(/\b(\d+) : jump exit_/g)].map((match) => Number(match[1]));
}

const NO_EXITS: Exits = { doors: [], named: [], blocks: [] };

function objects(group: number) {
  const id = group.toString(16);
  return {
    chain: `exit_${id}`,
    doors: `doors_${id}`,
    named: `named_${id}`,
    blocks: `blocks_${id}`,
    metadata: "metadata",
  };
}

/** The host and its like are in no block, whatever block the operator opened. */
function stated(group: number, exits: Exits): string[] {
  const { chain, doors, named, blocks, metadata } = objects(group);
  const rules = [
    // Where the host routes its loopback to others.
    "ip daddr 127.0.0.0/8 return",
    `ip daddr . meta l4proto . th dport @${doors} accept`,
    `ip daddr @${named} accept`,
    `ip daddr @${metadata} return`,
    `ip daddr ${SANDBOX_RANGE} return`,
    "fib daddr type != unicast return",
    `ip daddr @${blocks} accept`,
  ];
  return [
    ...statedSet(doors, "ipv4_addr . inet_proto . inet_service", exits.doors.map(toText)),
    ...statedSet(
      named,
      "ipv4_addr",
      exits.named.map((text) => text.replace("/32", "")),
    ),
    ...statedSet(blocks, "ipv4_addr; flags interval; auto-merge", exits.blocks),
    ...statedChain(REACH_TABLE, chain, rules),
    `add element ${EXITS} { ${group} : jump ${chain} }`,
  ];
}

async function removeGroup(group: number): Promise<void> {
  const { chain, doors, named, blocks } = objects(group);
  await changeFirewall([
    // Stated first, because what is not there cannot be deleted.
    ...sharedRules(),
    ...stated(group, NO_EXITS),
    `delete element ${EXITS} { ${group} }`,
    `delete chain ${REACH_TABLE} ${chain}`,
    ...[doors, named, blocks].map((set) => `delete set ${REACH_TABLE} ${set}`),
  ]);
}

/** Rules of servers that were killed and whose sandboxes ended since. */
async function forgetOrphans(own: string): Promise<void> {
  // The rules first: whoever states some has a slot by then.
  const groups = await groupsWithExits();
  const homes = [...(await slotOwners()), own];
  const alive = new Set(homes.flatMap((home) => GROUP_NAMES.map((name) => groupOf(home, name))));
  for (const group of groups) if (!alive.has(group)) await removeGroup(group);
}
