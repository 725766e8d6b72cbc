import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lowerHostNetwork, raiseHostNetwork } from "../../../src/engines/local/firewall";
import { REACH_TABLE } from "../../../src/engines/local/firewall-rules";
import type { Hand } from "../../../src/engines/local/hand";
import { createNetworkPolicies, type NetworkPolicies } from "../../../src/engines/local/network-policies";
import { confinedLinks } from "../../../src/engines/local/network-reach";
import { claimSlot, endClaim, freeSlot, type SlotClaim } from "../../../src/engines/local/network-slots";

const home = `/tmp/oc-policies-${process.pid}`;
let policies: NetworkPolicies;
let network: SlotClaim;
const isConfined = async () => (await confinedLinks()).has(`oc${network.slot}`);
const nft = (...words: string[]) => spawnSync("nft", words, { encoding: "utf8" });

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

test("what somebody flushed confines again", async () => {
  await policies.apply(network, { allow: ["198.51.100.7"] });
  expect(await isConfined()).toBe(true);
  for (const map of ["confined", "lookups"]) {
    expect(nft(`delete element ${REACH_TABLE} ${map} { oc${network.slot} }`).stderr).toBe("");
  }
  expect(nft(`delete chain ${REACH_TABLE} to_${network.slot}_${network.claim}`).stderr).toBe("");
  expect(await isConfined()).toBe(false);
  await policies.mend();
  expect(await isConfined()).toBe(true);
  expect(nft(`list table ${REACH_TABLE}`).stdout).toContain("198.51.100.7");
});

test("what was lifted stays so, also where it was about to be mended", async () => {
  await policies.apply(network, { allow: ["198.51.100.7"] });
  nft(`delete element ${REACH_TABLE} confined { oc${network.slot} }`);
  const mending = policies.mend();
  await policies.lift(network.slot);
  await mending;
  await policies.mend();
  expect(await isConfined()).toBe(false);
  expect(nft(`list table ${REACH_TABLE}`).stdout).not.toContain(network.claim);
});
