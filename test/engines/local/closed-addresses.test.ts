import { expect, test } from "vitest";
import { covers, toBlock } from "../../../src/engines/local/address-block";
import { isClosed, isMetadata } from "../../../src/engines/local/closed-addresses";

const block = (text: string) => {
  const read = toBlock(text);
  if (!read) throw new Error(`${text} is no block`);
  return read;
};

test.each([
  ...["0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.169.254"],
  ...["172.16.0.1", "172.31.255.255", "192.168.0.1", "192.0.0.192", "168.63.129.16", "224.0.0.1", "255.255.255.255"],
  ...["10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/24", "224.0.0.0/3"],
])("%s is closed", (text) => expect(isClosed(block(text))).toBe(true));

test.each([
  ...["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"],
  ...["192.0.2.1", "198.18.0.1", "203.0.113.80", "223.255.255.255", "168.63.129.17", "8.0.0.0/6", "0.0.0.0/0"],
])("%s is not, or not all of it", (text) => expect(isClosed(block(text))).toBe(false));

test("a metadata service is one address, not a block that holds it", () => {
  expect(["169.254.169.254", "100.100.100.200", "169.254.169.0/24"].map((text) => isMetadata(block(text)))).toEqual([
    true,
    true,
    false,
  ]);
});

test.each([
  "",
  "10",
  "10.0.0",
  "10.0.0.256",
  "10.0.0.0/",
  "10.0.0.0/33",
  "10.0.0.0/8/8",
  "::1",
  " 10.0.0.1",
  "10.0.0.0/-1",
])("%j is no block", (text) => expect(toBlock(text)).toBeNull());

test("the bits beyond a prefix do not count", () => {
  expect(toBlock("192.0.2.7/24")).toEqual(toBlock("192.0.2.0/24"));
  expect(covers(block("0.0.0.0/0"), block("255.255.255.255"))).toBe(true);
  expect(covers(block("10.0.0.0/9"), block("10.128.0.0/9"))).toBe(false);
});
