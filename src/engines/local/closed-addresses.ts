import { type AddressBlock, covers, toBlock } from "./address-block";

/**
 * Where no sandbox and no build step goes unless the operator says so: what is not the world outside. Addresses for
 * documentation and for tests of networks are nobody's and not in here.
 */
export const CLOSED_BLOCKS: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  // Azure's metadata and agent.
  "168.63.129.16",
  // Multicast, broadcast and what is reserved.
  "224.0.0.0/3",
];

/**
 * Where clouds tell a machine its credentials: open only to an operator who names the address itself, and not by a block
 * that happens to hold it. AWS, Google, Azure and most others; ECS; EKS; Alibaba; Oracle; Azure's agent.
 */
export const METADATA_ADDRESSES: readonly string[] = [
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
];

/** Whether all of a block is closed. */
export function isClosed(block: AddressBlock): boolean {
  return closed.some((one) => covers(one, block));
}

/** Whether a block is one address, and that of a metadata service. */
export function isMetadata(block: AddressBlock): boolean {
  return metadata.some((one) => covers(one, block));
}

const blocksOf = (texts: readonly string[]) => texts.flatMap((text) => toBlock(text) ?? []);
const closed = blocksOf(CLOSED_BLOCKS);
const metadata = blocksOf(METADATA_ADDRESSES);
