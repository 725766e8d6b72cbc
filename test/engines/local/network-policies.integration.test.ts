import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lowerHostNetwork, raiseHostNetwork } from "../../../src/engines/local/firewall";
import { REACH_TABLE } from "../../../src/engines/local/firewall-rules";
import type { Hand } from "../../../src/engines/local/hand";
import { createNetworkPolicies, type NetworkPolicies } from "../../../src/engines/local/network-policies";
import { claimSlot, endClaim, freeSlot, type SlotClaim } from "../../../src/engines/local/network-slots";

const ADDRESS = "198.51.100.7";
const home = `/tmp/oc-policies-${process.pid}`;
let policies: NetworkPolicies;
let network: SlotClaim;
const nft = (...words: string[]) => {
  const { stdout, stderr } = spawnSync("nft", words, { encoding: "utf8" });
  return stdout + stderr;
};
/** What the firewall holds of the network, whoever else's it holds. */
const stated = () => {
  const table = nft("list", "table", ...REACH_TABLE.split(" "));
  const { slot, claim } = network;
  return {
    isConfined: table.includes(`"oc${slot}" : jump to_${slot}_${claim}`),
    looksUp: table.includes(`"oc${slot}" : jump ask_${slot}_${claim}`),
    addresses: table.includes(ADDRESS),
    left: table.includes(claim),
  };
};
const WHOLE = { isConfined: true, looksUp: true, addresses: true, left: true };

beforeEach(async () => {
  policies = createNetworkPolicies({} as Hand, { mayReach: () => true });
  network = await claimSlot(home);
  await raiseHostNetwork();
});
afterEach(async () => {
  await policies.lift(network.slot);
  await policies.close();
  if (await endClaim(network)) await freeSlot(network.slot);
  await lowerHostNetwork();
});

test.each([
  [
    "its place among those that are confined",
    () => nft(`delete element ${REACH_TABLE} confined { oc${network.slot} }`),
  ],
  ["its way to our name server", () => nft(`delete element ${REACH_TABLE} lookups { oc${network.slot} }`)],
  ["its rules", () => nft(`flush chain ${REACH_TABLE} to_${network.slot}_${network.claim}`)],
])("what somebody took away is stated again: %s", async (_what, take) => {
  await policies.apply(network, { allow: [ADDRESS] });
  expect(stated()).toEqual(WHOLE);
  const before = nft("list", "table", ...REACH_TABLE.split(" "));
  expect(take()).toBe("");
  expect(nft("list", "table", ...REACH_TABLE.split(" "))).not.toBe(before);
  await policies.restate();
  expect(stated()).toEqual(WHOLE);
});

test("what was lifted stays so, also where it was being stated again", async () => {
  await policies.apply(network, { allow: [ADDRESS] });
  const restating = policies.restate();
  // By then it asks the firewall.
  await new Promise((resolve) => setImmediate(resolve));
  await policies.lift(network.slot);
  await restating;
  await policies.restate();
  expect(stated()).toEqual({ isConfined: false, looksUp: false, addresses: false, left: false });
});
