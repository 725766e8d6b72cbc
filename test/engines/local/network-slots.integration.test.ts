import { afterEach, expect, test } from "vitest";
import { claimSlot, endClaim, freeSlot, ownedSlots, type SlotClaim } from "../../../src/engines/local/network-slots";

const home = `/tmp/oc-slots-${process.pid}`;
let taken: SlotClaim[] = [];
const claim = async () => {
  const network = await claimSlot(home);
  taken = [...taken, network];
  return network;
};
afterEach(async () => {
  for (const network of taken.splice(0)) if (await endClaim(network)) await freeSlot(network.slot);
  expect(await ownedSlots(home)).toEqual([]);
});

test("a claim ends once, whoever tries, and its slot is taken until it is freed", async () => {
  const first = await claim();
  const ends = await Promise.all([1, 2, 3].map(() => endClaim(first)));
  expect(ends.filter(Boolean)).toHaveLength(1);
  expect(await ownedSlots(home)).toEqual([first.slot]);
  await freeSlot(first.slot);
});

test("an old claim ends nobody else's", async () => {
  const first = await claim();
  expect(await endClaim(first)).toBe(true);
  await freeSlot(first.slot);
  const second = await claim();
  expect(await endClaim({ ...second, claim: first.claim })).toBe(false);
  expect(await endClaim(second)).toBe(true);
  await freeSlot(second.slot);
});
