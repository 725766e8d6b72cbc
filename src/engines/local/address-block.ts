import { isIPv4 } from "node:net";

/** IPv4 addresses that begin with the same bits. */
export interface AddressBlock {
  /** The first of them, as a number of 32 bits. */
  readonly first: number;
  /** How many bits they share; 32 is one address. */
  readonly prefix: number;
}

/**
 * Reads an address or a block; null for what is neither.
 *
 * @example toBlock("192.0.2.7/24") // { first: 0xc0000200, prefix: 24 }
 */
export function toBlock(text: string): AddressBlock | null {
  const [address = "", prefix = "32", ...rest] = text.split("/");
  if (!isIPv4(address) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32 || rest.length > 0) return null;
  const bits = address.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
  return { first: bits - (bits % sizeOf(Number(prefix))), prefix: Number(prefix) };
}

/** Whether all of `inner` is in `outer`. */
export function covers(outer: AddressBlock, inner: AddressBlock): boolean {
  return outer.prefix <= inner.prefix && inner.first - (inner.first % sizeOf(outer.prefix)) === outer.first;
}

const sizeOf = (prefix: number) => 2 ** (32 - prefix);
